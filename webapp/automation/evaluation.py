"""Evaluating the routes of mails that wait: plan ──> which routes match ──> one run for each that does.

    claim plans, commit ─> read mail and routes ─> judge, no transaction open ─> write runs, file or absorb the mail, commit

A user's pattern may take its second: nothing is locked meanwhile. Plans whose worker died are taken one at a time from then on, so that a
mail which kills workers is found alone, and parked after the third time (RELIABILITY C-26).
"""

import logging
import secrets
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update

from webapp.automation import filing, matching, rules, runs
from webapp.automation.loaded_routes import LoadedRoute, load_routes, snapshot
from webapp.automation.mail_state import view_of
from webapp.automation.matching import Outcome
from webapp.automation.models import MOST_TIMEOUTS
from webapp.automation.models_runs import MOST_DEATHS, RoutePlan, Run, RunStep
from webapp.core import failpoints, leases, live
from webapp.core.db import database_now, db, reading, utcnow
from webapp.mailboxes.models import Mailbox
from webapp.messages import store
from webapp.messages.models import Message

log = logging.getLogger("mailroom.automation")
BATCH = 10
LEASE_S = 60.0
PAUSE_S = 10.0


@dataclass
class Judged:
    """What came of one route: `outcome` None when an earlier route stopped the walk or the plan was parked."""

    route: LoadedRoute
    outcome: Outcome | None
    reason: str | None = None
    failed: bool = False


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


def has_due() -> bool:
    return db.session.scalar(select(RoutePlan.id).where(leases.free(RoutePlan, database_now())).limit(1)) is not None


def work(until: float) -> bool:
    """Evaluate plans until the time is up; True when none is left."""
    while time.monotonic() < until:
        owner = leases.new_owner()
        ids = _claim(owner)
        if not ids:
            return True
        if not _work_batch(ids, owner, until):
            return False
    return False


def _give_back(ids: list[int], owner: str) -> None:
    """The time is up: whoever comes next takes these at once."""
    free = update(RoutePlan).where(RoutePlan.id.in_(ids), RoutePlan.lease_owner == owner)
    db.session.execute(free.values(lease_until=None, deaths=RoutePlan.deaths - 1), execution_options={"synchronize_session": False})
    db.session.commit()


def _claim(owner: str) -> list[int]:
    ids = leases.claim(RoutePlan, RoutePlan.deaths == 0, limit=BATCH, lease_s=LEASE_S, order=RoutePlan.id, owner=owner)
    ids = ids or leases.claim(RoutePlan, RoutePlan.deaths > 0, limit=1, lease_s=LEASE_S, order=RoutePlan.id, owner=owner)
    if ids:
        died = update(RoutePlan).where(RoutePlan.id.in_(ids)).values(deaths=RoutePlan.deaths + 1)
        db.session.execute(died, execution_options={"synchronize_session": False})
        failpoints.hit("evaluate.before_claim_commit")
    db.session.commit()
    failpoints.hit("evaluate.claimed")
    return ids


def _work_batch(ids: list[int], owner: str, until: float) -> bool:
    """Judge each, record all in one transaction; False when the time was up before the last one."""
    ready: list[Work] = []
    known: dict[tuple[int, str, int | None], list[LoadedRoute]] = {}
    for number, plan_id in enumerate(ids):
        if number and time.monotonic() >= until:
            _give_back(ids[number:], owner)
            break
        found = _judged(plan_id, owner, known)
        if found is not None:
            ready.append(found)
    failpoints.hit("evaluate.judged")
    try:
        for found in ready:
            _record(found, owner)
        failpoints.hit("evaluate.before_commit")
        db.session.commit()
        failpoints.hit("evaluate.committed")
    except Exception:
        log.exception("recording a batch failed; it is done again one by one")
        db.session.rollback()
        for found in ready:
            _record_alone(found.plan.id, owner)
    return len(ids) == 1 or time.monotonic() < until


def _judged(plan_id: int, owner: str, known: dict[tuple[int, str, int | None], list[LoadedRoute]]) -> Work | None:
    try:
        found = _load(plan_id, known)
        if found is not None:
            found.judged = judge(found) if found.plan.deaths <= MOST_DEATHS else _parked(found)
        return found
    except Exception:
        log.exception("evaluation failed", extra={"plan_id": plan_id})
        _pause(plan_id, owner)
        return None


def _record_alone(plan_id: int, owner: str) -> None:
    """A bug in one plan must not stop the others."""
    try:
        found = _judged(plan_id, owner, {})
        if found is not None:
            _record(found, owner)
            db.session.commit()
    except Exception:
        log.exception("recording failed", extra={"plan_id": plan_id})
        _pause(plan_id, owner)


def _pause(plan_id: int, owner: str) -> None:
    """What went wrong comes back, alone, and is parked after the third time."""
    db.session.rollback()
    pause = {"lease_until": database_now() + timedelta(seconds=PAUSE_S)}
    db.session.execute(update(RoutePlan).where(RoutePlan.id == plan_id, RoutePlan.lease_owner == owner).values(pause))
    db.session.commit()


def _load(plan_id: int, known: dict[tuple[int, str, int | None], list[LoadedRoute]]) -> Work | None:
    """Everything in one reading transaction, which is over when this returns; `known` keeps the routes for the rest of the batch."""
    with reading():
        plan = db.session.get(RoutePlan, plan_id, populate_existing=True)
        message = db.session.get(Message, plan.message_id, populate_existing=True) if plan else None
        if plan is None or message is None:
            db.session.commit()
            return None
        mailbox = db.session.get_one(Mailbox, plan.mailbox_id, populate_existing=True)
        key = (plan.mailbox_id, message.direction, plan.route_id)
        if key not in known:
            known[key] = load_routes(runs.candidates(*key))
        raw = store.raw_of(message)
        db.session.commit()
    return Work(plan, message, mailbox, known[key], raw)


def judge(found: Work) -> list[Judged]:
    """Walk through the routes in their order; touches no database."""
    message = found.message
    mail = view_of(
        found.raw, envelope_sender=message.envelope_sender, envelope_recipients=message.envelope_recipients, direction=message.direction,
        verdict=message.auth_verdict,
    )  # fmt: skip
    found.subject, found.sender = mail.subject, mail.sender.email
    judged: list[Judged] = []
    stopped_by: str | None = None
    for route in found.routes:
        if stopped_by is not None:
            judged.append(Judged(route, None, f"The route “{stopped_by}” matched before and stops the walk."))
            continue
        outcome = matching.evaluate(route.rules, route.match_type, mail)
        judged.append(Judged(route, outcome, outcome.error, failed=outcome.error is not None))
        if outcome.matched and route.stop_on_match:
            stopped_by = route.name
    return judged


def _parked(found: Work) -> list[Judged]:
    reason = f"Parked: evaluating the rules on this mail ended the worker {MOST_DEATHS} times. The mail was filed without routes."
    return [Judged(route, None, reason, failed=True) for route in found.routes]


def _record(found: Work, owner: str) -> None:
    """Write what was judged, once: whoever lost the lease meanwhile writes nothing."""
    mine = delete(RoutePlan).where(RoutePlan.id == found.plan.id, RoutePlan.lease_owner == owner)
    gone: Any = db.session.execute(mine, execution_options={"synchronize_session": False})
    if gone.rowcount == 0:
        return
    failpoints.hit("evaluate.plan_taken")
    db.session.expunge(found.plan)
    message = db.session.get_one(Message, found.message.id, with_for_update=True, populate_existing=True)
    known = _known_runs(found)
    absorbed, waits = False, False
    for judged in found.judged:
        run = _record_route(found, judged, known)
        if run is None or run.matched is not True or message.direction != "received":
            continue
        absorbed = absorbed or not judged.route.steps
        waits = waits or (found.plan.held and judged.route.absorbs)
    _note_timeouts(found.judged)
    if absorbed:
        filing.absorb(message, found.plan.round)
    elif found.plan.held and not waits:
        store.file_message(message)
    live.notify(message.workspace_id, runs.LIVE_EVENT)


def _known_runs(found: Work) -> dict[int, Run]:
    """Runs that a test or a replay made beforehand."""
    query = select(Run).where(Run.message_id == found.message.id, Run.mailbox_id == found.mailbox.id, Run.round == found.plan.round)
    return {run.route_id: run for run in db.session.scalars(query) if run.route_id is not None}


def _record_route(found: Work, judged: Judged, known: dict[int, Run]) -> Run | None:
    """The run of one route; None when the route did not match and nobody wants to read about it."""
    outcome, route = judged.outcome, judged.route
    run = known.get(route.id)
    matched = outcome is not None and outcome.matched
    if run is None and not matched and not judged.failed and found.mailbox.log_level != "verbose" and not found.message.is_test:
        return None
    if run is None:
        run = runs.add_run(found.message, found.mailbox.id, route, found.plan.round, request_id=found.plan.request_id)
    run.route_name, run.route_version = route.name, route.version
    run.subject, run.sender = run.subject or found.subject, found.sender or run.sender
    run.snapshot = snapshot(route, outcome)
    run.verdicts = [verdict.as_dict() for verdict in outcome.verdicts] if outcome else []
    run.matched, run.error = matched if outcome else None, judged.reason
    now = utcnow()
    if not matched:
        run.error = run.error or "The rules did not match."
        filing.finish(run, "failed" if judged.failed else "skipped", found.message)
    elif not route.steps:
        run.started_at, run.error = now, None
        filing.finish(run, "success", found.message)
    else:
        _add_steps(run, route)
        run.status, run.started_at, run.next_attempt_at = "queued", now, now
        run.holds_mail = found.plan.held and route.absorbs and found.message.direction == "received"
    db.session.flush()
    return run


def _add_steps(run: Run, route: LoadedRoute) -> None:
    db.session.add_all(
        RunStep(run_id=run.id, position=number, delivery=f"dlv_{secrets.token_hex(12)}", **step) for number, step in enumerate(route.steps)
    )


def _note_timeouts(judged: list[Judged]) -> None:
    verdicts = [verdict for item in judged if item.outcome for verdict in item.outcome.verdicts if verdict.rule_id is not None]
    late = {verdict.rule_id for verdict in verdicts if verdict.timed_out and verdict.rule_id is not None}
    fine = {v.rule_id for v in verdicts if v.type.endswith("regex") and v.matched is not None and not v.error and v.rule_id is not None}
    if late:
        rules.note_timeouts(late, fine - late, MOST_TIMEOUTS)
