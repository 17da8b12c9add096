"""Writing down what the routes said about a batch of mails: runs with their steps, and what becomes of each mail. One transaction.

Whoever lost the lease of a plan meanwhile writes nothing about it; a plan is deleted by the transaction that records it, so it is
recorded once.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select

from webapp.automation import filing, rules, runs
from webapp.automation.loaded_routes import LoadedRoute, snapshot
from webapp.automation.matching import Outcome
from webapp.automation.models import MOST_TIMEOUTS
from webapp.automation.models_runs import RoutePlan, Run, RunStep
from webapp.core import failpoints, live
from webapp.core.db import database_now, db
from webapp.mailboxes.models import Mailbox
from webapp.messages import journal, store
from webapp.messages.models import Message


@dataclass
class Judged:
    """What came of one route: `outcome` None when an earlier route stopped the walk or the plan was parked."""

    route: LoadedRoute
    outcome: Outcome | None
    reason: str | None = None
    failed: bool = False

    @property
    def matched(self) -> bool:
        return self.outcome is not None and self.outcome.matched


@dataclass
class Work:
    """One plan with everything that its evaluation needs."""

    plan: RoutePlan
    message: Message
    mailbox: Mailbox
    routes: list[LoadedRoute]
    raw: bytes
    #: of the mail, for sent mail that nobody has read yet
    subject: str = ""
    sender: str = ""
    judged: list[Judged] = field(default_factory=list)


def record(works: Sequence[Work], owner: str) -> None:
    """In the caller's transaction."""
    plans = {work.plan.id: work for work in works}
    gone = delete(RoutePlan).where(RoutePlan.id.in_(plans), RoutePlan.lease_owner == owner).returning(RoutePlan.id)
    ids = set(db.session.scalars(gone, execution_options={"synchronize_session": False}))
    mine = [work for plan_id, work in plans.items() if plan_id in ids]
    if not mine:
        return
    failpoints.hit("evaluate.plan_taken")
    for work in mine:
        db.session.expunge(work.plan)
    query = select(Message).where(Message.id.in_([work.message.id for work in mine])).order_by(Message.id).with_for_update()
    messages = {message.id: message for message in db.session.scalars(query, execution_options={"populate_existing": True})}
    known, now = _known_runs(mine), database_now()
    with db.session.no_autoflush:
        made = [(work, judged, _run_of(work, judged, known, now)) for work in mine for judged in work.judged if work.message.id in messages]
        db.session.flush()
        _follow([(work, judged, run) for work, judged, run in made if run is not None])
    for work in mine:
        if work.message.id in messages:
            _settle(work, messages[work.message.id])
        _note_timeouts(work.judged)
    for workspace_id in {work.plan.workspace_id for work in mine}:
        live.notify(workspace_id, runs.LIVE_EVENT)


def _known_runs(works: Sequence[Work]) -> dict[tuple[int, int, int | None], Run]:
    """Runs that a test or a replay made beforehand, by (message, round, route)."""
    asked = [work for work in works if work.plan.round or work.plan.is_test]
    if not asked:
        return {}
    query = select(Run).where(Run.message_id.in_({work.message.id for work in asked}))
    rounds = {(work.message.id, work.plan.round) for work in asked}
    found = [run for run in db.session.scalars(query) if (run.message_id, run.round) in rounds]
    return {(run.message_id or 0, run.round, run.route_id): run for run in found}


def _run_of(work: Work, judged: Judged, known: dict[tuple[int, int, int | None], Run], now: datetime) -> Run | None:
    """The run of one route; None when the route did not match and nobody wants to read about it."""
    route, outcome = judged.route, judged.outcome
    run = known.get((work.message.id, work.plan.round, route.id))
    quiet = work.mailbox.log_level != "verbose" and not work.message.is_test
    if run is None and not judged.matched and not judged.failed and quiet:
        return None
    if run is None:
        run = runs.new_run(work.message, work.mailbox.id, route, work.plan.round, request_id=work.plan.request_id)
    run.route_name, run.route_version = route.name, route.version
    run.subject, run.sender = run.subject or work.subject, work.sender or run.sender
    run.snapshot = snapshot(route, outcome)
    run.verdicts = [verdict.as_dict() for verdict in outcome.verdicts] if outcome else []
    run.matched, run.error = judged.matched if outcome else None, judged.reason
    if judged.matched:
        run.started_at = now
        if route.steps:
            run.status, run.next_attempt_at = "queued", now
            run.holds_mail = work.plan.held and route.absorbs and work.message.direction == "received"
        else:
            run.error = None
    else:
        run.error = run.error or "The rules did not match."
    return run


def _follow(made: Sequence[tuple[Work, Judged, Run]]) -> None:
    """What comes after each run: its steps, or its end."""
    steps: list[dict[str, Any]] = []
    for work, judged, run in made:
        if not judged.matched:
            filing.finish(run, "failed" if judged.failed else "skipped", work.message)
        elif not judged.route.steps:
            filing.finish(run, "success", work.message)
        steps += [_step(run, number, step) for number, step in enumerate(judged.route.steps if judged.matched else [])]
    if steps:
        db.session.execute(insert(RunStep), steps)


def _step(run: Run, number: int, step: dict[str, Any]) -> dict[str, Any]:
    empty = {"status": "waiting", "attempts": 0, "detail": "", "changed": []}
    return {"run_id": run.id, "position": number, "delivery": f"dlv_{secrets.token_hex(12)}", **empty, **step}


def _settle(work: Work, message: Message) -> None:
    """The mail itself: kept out of its folder, put into it, or waiting for a run that may do so; and the step in its journal."""
    matched = [judged.route for judged in work.judged if judged.matched] if message.direction == "received" else []
    if any(not route.steps for route in matched):
        filing.absorb(message, work.plan.round)
    elif work.plan.held and not any(route.absorbs for route in matched):
        store.file_message(message)
    number = len(work.judged)
    held = sum(judged.matched for judged in work.judged)
    text = f"{held or 'None'} of {number} route{'' if number == 1 else 's'} matched." if number else "Its routes are gone."
    message.journal = [*(message.journal or []), journal.entry("judged", text)]


def _note_timeouts(judged: Sequence[Judged]) -> None:
    verdicts = [verdict for item in judged if item.outcome for verdict in item.outcome.verdicts if verdict.rule_id is not None]
    late = {verdict.rule_id for verdict in verdicts if verdict.timed_out and verdict.rule_id is not None}
    fine = {v.rule_id for v in verdicts if v.type.endswith("regex") and v.matched is not None and not v.error and v.rule_id is not None}
    if late:
        rules.note_timeouts(late, fine - late, MOST_TIMEOUTS)
