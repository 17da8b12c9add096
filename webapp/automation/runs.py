"""Runs: asking for them (`plan`, `replay`), and reading the log.

    intake, in its transaction ── plan(message) ──> RoutePlan, ring ──> jobs: evaluation.work, then steps.work
"""

from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import func, or_, select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.automation import actions, reach
from webapp.automation.models import Action, Route, RouteAction
from webapp.automation.models_runs import RoutePlan, Run, RunStep, StepAttempt
from webapp.core import live, queue
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import InvalidState, NotFound, invalid
from webapp.core.paging import Page, PageRequest, keyset
from webapp.domains.models import Domain
from webapp.mailboxes.models import Mailbox
from webapp.messages.models import Message

LIVE_EVENT = "runs-changed"
DRAIN = "automation.drain"


class NamedRoute(Protocol):
    """A route, or what was loaded of it."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...


class AnyMail(Protocol):
    """A message, or what intake knows of one while it records it."""

    @property
    def id(self) -> int: ...
    @property
    def workspace_id(self) -> int: ...
    @property
    def mailbox_id(self) -> int | None: ...
    @property
    def direction(self) -> str: ...
    @property
    def is_test(self) -> bool: ...
    @property
    def quarantined(self) -> bool: ...
    @property
    def subject(self) -> str: ...
    @property
    def sender(self) -> str: ...
    @property
    def envelope_sender(self) -> str: ...
    @property
    def recipient(self) -> str | None: ...
    @property
    def request_id(self) -> str | None: ...


def plan(message: Message) -> bool:
    """Called by intake within its transaction: let the routes of the message's mailbox look at it.

    returns whether filing has to wait: some enabled route could absorb the mail, so the routes file it once they ran
    """
    if message.mailbox_id is None:
        return False
    routes = candidates(message.mailbox_id, message.direction)
    if not routes:
        return False
    mailbox = db.session.get_one(Mailbox, message.mailbox_id)
    if reason := standstill(message, mailbox):
        for route in routes:
            add_run(message, mailbox.id, route, 0, status=reason[0], error=reason[1], finished_at=utcnow())
        live.notify(message.workspace_id, LIVE_EVENT)
        return False
    held = message.direction == "received" and any_absorbs(routes)
    add_plan(message, 0, held=held, request_id=message.request_id)
    return held


def candidates(mailbox_id: int, direction: str, route_id: int | None = None) -> list[Route]:
    """Enabled routes of a mailbox for one direction of mail, in the order in which they run."""
    words = ("incoming", "both") if direction == "received" else ("outgoing", "both")
    query = select(Route).where(
        Route.mailbox_id == mailbox_id, Route.deleted_at.is_(None), Route.enabled.is_(True), Route.direction.in_(words)
    )
    if route_id is not None:
        query = query.where(Route.id == route_id)
    return list(db.session.scalars(query.order_by(Route.position, Route.id)))


def standstill(message: AnyMail, mailbox: Mailbox) -> tuple[str, str] | None:
    """Why no route runs on this mail, as (status, sentence); None when they do (reference/mailtrigger.md section 6.1)."""
    domain = db.session.get(Domain, mailbox.domain_id)
    if domain is None or not domain.is_verified:
        name = domain.name if domain else mailbox.domain_name
        return "skipped", f"The domain {name} is not verified, so its routes do not run. Verify it, then replay the mail."
    if message.quarantined and not mailbox.allow_unauthenticated:
        return "quarantined", "The mail failed authentication, so no action ran. Release it to run the routes."
    return None


def any_absorbs(routes: list[Route]) -> bool:
    """Whether any of them has no actions, or one that takes the mail out of its folder."""
    ids = [route.id for route in routes]
    query = select(RouteAction.route_id, Action.type).join(Action, Action.id == RouteAction.action_id).where(RouteAction.route_id.in_(ids))
    kinds = list(db.session.execute(query))
    absorbing = {kind.name for kind in actions.types() if kind.absorbs}
    return len({row.route_id for row in kinds}) < len(ids) or any(row.type in absorbing for row in kinds)


def add_plan(message: Message, round: int, **columns: Any) -> RoutePlan:
    row = RoutePlan(
        workspace_id=message.workspace_id, message_id=message.id, mailbox_id=message.mailbox_id, round=round, is_test=message.is_test,
        created_at=utcnow(), **columns,
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    queue.ring(DRAIN)
    return row


def add_run(message: AnyMail, mailbox_id: int, route: NamedRoute, round: int, *, request_id: str | None = None, **columns: Any) -> Run:
    """A log row for one route on one mail."""
    run = new_run(message, mailbox_id, route, round, request_id=request_id, **columns)
    db.session.flush()
    return run


def new_run(message: AnyMail, mailbox_id: int, route: NamedRoute, round: int, *, request_id: str | None = None, **columns: Any) -> Run:
    """The same, written with the next flush."""
    run = Run(
        workspace_id=message.workspace_id, message_id=message.id, mailbox_id=mailbox_id, route_id=route.id, round=round,
        route_name=route.name, route_version=route.version, direction=message.direction, is_test=message.is_test,
        subject=message.subject or "", sender=message.sender or message.envelope_sender, recipient=message.recipient or "",
        request_id=request_id or message.request_id, **columns,
    )  # fmt: skip
    db.session.add(run)
    return run


@dataclass(frozen=True)
class Asked:
    """What a test or a replay set off."""

    plan: RoutePlan
    message: Message
    runs: list[Run]


def replay(actor: Actor, mailbox_id: int, message_id: int, route_id: int | None = None) -> Asked:
    """Run the routes again on a stored mail, each as a new run.

    raises NotFound for a mail of another mailbox, Invalid for a route of another mailbox, InvalidState when nothing would run
    """
    actor.require("testmail:run")
    mailbox = reach.get_mailbox(actor, mailbox_id)
    query = select(Message).where(Message.id == message_id, Message.mailbox_id == mailbox.id, Message.deleted_at.is_(None))
    message = db.session.scalar(query.with_for_update())
    if message is None:
        raise NotFound(f"There is no archived mail with the id {message_id}.")
    if message.state == "received":
        raise InvalidState("This mail is still being read.", hint="Try again in a moment.")
    asked = start(actor, mailbox, message, route_id, again=True)
    about = Target("message", message.id, message.subject or "")
    audit.record(actor, "message.replay", about, after={"runs": [run.id for run in asked.runs]})
    return asked


def start(actor: Actor, mailbox: Mailbox, message: Message, route_id: int | None, *, again: bool = False) -> Asked:
    """Plan a mail at somebody's request; its runs are there at once, so that they can be watched."""
    routes = candidates(mailbox.id, message.direction, route_id)
    if route_id is not None and not routes:
        raise invalid("route_id", f"{mailbox.email} has no enabled route with the id {route_id} for {message.direction} mail.")
    if not routes:
        raise InvalidState(f"{mailbox.email} has no enabled route for {message.direction} mail.", hint="Add a route or switch one on.")
    reason = standstill(message, mailbox)
    if reason:
        raise InvalidState(reason[1], hint="Verify the domain first.")
    round = 0
    if again:
        rounds = select(func.max(Run.round)).where(Run.message_id == message.id)
        plans = select(func.max(RoutePlan.round)).where(RoutePlan.message_id == message.id)
        round = max(db.session.scalar(rounds) or 0, db.session.scalar(plans) or 0) + 1
    made = [add_run(message, mailbox.id, route, round, request_id=actor.request_id) for route in routes]
    row = add_plan(message, round, route_id=route_id, request_id=actor.request_id)
    live.notify(actor.workspace_id, LIVE_EVENT)
    return Asked(row, message, made)


# --- the log -------------------------------------------------------------------------------------------


def list_runs(actor: Actor, asked: PageRequest, filters: dict[str, Any], mailbox_id: int | None = None) -> Page[Run]:
    """The route log, newest first.

    filters  route_id, status, direction, is_test, message_id, after, before (when the run was made), search (in subject, sender,
             recipient, route)
    """
    actor.require("logs:read")
    query = select(Run).where(Run.workspace_id == actor.workspace_id, reach.within(actor, Run.mailbox_id))
    if mailbox_id is not None:
        query = query.where(Run.mailbox_id == reach.get_mailbox(actor, mailbox_id).id)
    for name in ("route_id", "status", "direction", "is_test", "message_id"):
        if filters.get(name) is not None:
            query = query.where(getattr(Run, name) == filters[name])
    if filters.get("after") is not None:
        query = query.where(Run.created_at >= filters["after"])
    if filters.get("before") is not None:
        query = query.where(Run.created_at < filters["before"])
    if wanted := filters.get("search"):
        places = (Run.subject, Run.sender, Run.recipient, Run.route_name)
        query = query.where(or_(*(column.icontains(wanted, autoescape=True) for column in places)))
    return keyset(query, asked, keys=[Run.id])


def get_run(actor: Actor, run_id: int, mailbox_id: int | None = None, scope: str = "logs:read") -> Run:
    """raises NotFound"""
    actor.require(scope)
    query = select(Run).where(Run.id == run_id, Run.workspace_id == actor.workspace_id, reach.within(actor, Run.mailbox_id))
    if mailbox_id is not None:
        query = query.where(Run.mailbox_id == reach.get_mailbox(actor, mailbox_id).id)
    run = db.session.scalar(query)
    if run is None:
        raise NotFound(f"There is no route log with the id {run_id}.")
    return run


def steps_of(run_id: int) -> list[RunStep]:
    return list(db.session.scalars(select(RunStep).where(RunStep.run_id == run_id).order_by(RunStep.position)))


def attempts_of(run_id: int) -> dict[int, list[StepAttempt]]:
    """Every attempt of a run by step id, the first one first."""
    query = select(StepAttempt).join(RunStep, RunStep.id == StepAttempt.step_id).where(RunStep.run_id == run_id)
    query = query.order_by(StepAttempt.number)
    found: dict[int, list[StepAttempt]] = {}
    for attempt in db.session.scalars(query):
        found.setdefault(attempt.step_id, []).append(attempt)
    return found


def retry_now(actor: Actor, run_id: int, mailbox_id: int | None = None) -> Run:
    """Let a run that waits for its time go at once; what failed for good is tried again from the step that failed.

    raises InvalidState when there is nothing to try
    """
    run = get_run(actor, run_id, mailbox_id, "testmail:run")
    failed = next((step for step in steps_of(run.id) if step.status in ("failed", "waiting", "running")), None)
    if run.lease_until is not None and run.lease_until > utcnow():
        raise InvalidState("A worker is at it right now.", hint="Wait for its answer.")
    if run.status not in ("failed", "running", "queued") or failed is None or run.message_id is None:
        raise InvalidState("Nothing of this run is left to try.", hint="Replay the mail for a new run.")
    if run.status == "failed":
        run.step, failed.status, run.finished_at, run.error = failed.position, "waiting", None, None
    run.status, run.deaths, run.next_attempt_at = "running", 0, utcnow()
    db.session.flush()
    audit.record(actor, "run.retry", Target("run", run.id, run.route_name), after={"step": run.step})
    queue.ring(DRAIN)
    live.notify(actor.workspace_id, LIVE_EVENT)
    return run
