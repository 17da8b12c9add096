"""Working a run off, action by action; whatever happens to the worker, what is recorded is never done again.

    claim run, note the attempt, commit ─> perform, no transaction open ─> record: attempt, new state of the mail, what is next; commit

Work on our own database (forwarding, data) happens in the recording transaction, so exactly once. A call to the outside whose worker died
is noted as uncertain and made again with the same X-Mailroom-Delivery (RELIABILITY C-19).
"""

import logging
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from webapp.automation import actions, contexts, filing, runs
from webapp.automation.actions.base import Result, Skip, Undone
from webapp.automation.actions.outgoing import Unsendable
from webapp.automation.contexts import Loaded
from webapp.automation.models_runs import MOST_DEATHS, Run, RunStep, StepAttempt
from webapp.automation.redaction import redact
from webapp.automation.waits import wait_s
from webapp.core import failpoints, leases, live, queue
from webapp.core.db import database_now, db, utcnow
from webapp.core.wording import span
from webapp.messages import raws
from webapp.messages.models import Message

log = logging.getLogger("mailroom.automation")
#: a lease lasts this much longer than one attempt may take
SPARE_S = 30.0


@dataclass(frozen=True)
class Claimed:
    """One attempt that this worker holds."""

    run_id: int
    step_id: int
    number: int
    owner: str
    until: float


def has_due() -> bool:
    now = database_now()
    return db.session.scalar(select(Run.id).where(_due(now), leases.free(Run, now)).limit(1)) is not None


def _due(now: datetime) -> Any:
    return (Run.next_attempt_at.is_not(None)) & (Run.next_attempt_at <= now)


def work(until: float) -> bool:
    """Work runs off until the time is up; True when none is due."""
    while time.monotonic() < until:
        owner = leases.new_owner()
        ids = leases.claim(Run, _due(database_now()), limit=1, lease_s=SPARE_S, order=Run.next_attempt_at, owner=owner)
        if not ids:
            db.session.commit()
            return True
        claimed = _begin(ids[0], owner, until)
        failpoints.hit("step.before_claim_commit")
        db.session.commit()
        failpoints.hit("step.claimed")
        while claimed is not None:
            claimed = _attempt(claimed)
    return False


def _begin(run_id: int, owner: str, until: float) -> Claimed | None:
    """After the claim: note what a dead worker left, then the attempt at hand. None when the run is over."""
    run = db.session.get_one(Run, run_id, populate_existing=True)
    run.deaths += 1
    step = _next_step(run)
    if step is not None and step.started_at is not None:
        _note_death(run, step)
    if step is None:
        _end(run)
        return None
    if run.deaths > MOST_DEATHS:
        _park(run, step)
        return None
    return _note_start(run, step, owner, until)


def _next_step(run: Run) -> RunStep | None:
    query = select(RunStep).where(RunStep.run_id == run.id, RunStep.status.in_(("waiting", "running"))).order_by(RunStep.position)
    return db.session.scalars(query.limit(1), execution_options={"populate_existing": True}).first()


def _note_start(run: Run, step: RunStep, owner: str, until: float) -> Claimed:
    step.status, step.started_at = "running", utcnow()
    step.attempts += 1
    run.status, run.step = "running", step.position
    run.lease_until = database_now() + timedelta(seconds=float(step.settings["timeout_s"]) + SPARE_S)
    db.session.flush()
    return Claimed(run.id, step.id, step.attempts, owner, until)


def _note_death(run: Run, step: RunStep) -> None:
    """An attempt began and nothing was recorded: its worker died."""
    kind = actions.find(step.type)
    outside = kind is None or kind.outside
    text = "The worker died during this attempt; it may have run." if outside else "The worker died during this attempt; nothing was done."
    again = " It goes again with the same X-Mailroom-Delivery, so the other side can tell." if outside else ""
    db.session.add(StepAttempt(
        step_id=step.id, number=step.attempts, at=step.started_at, outcome="uncertain", status_code=None, request=None, answer=None,
        detail="maybe ran" if outside else "did not run", error=text + again,
    ))  # fmt: skip
    step.started_at = None
    db.session.flush()


def _park(run: Run, step: RunStep) -> None:
    step.status, step.finished_at = "failed", utcnow()
    step.detail = f"Parked: the worker died {MOST_DEATHS} times during this action. Look at its settings, then try again."
    _skip_rest(run, step, "An action before this one was parked.")
    run.error = f"Action {step.position + 1}, “{step.name}”: {step.detail}"
    filing.finish(run, "failed", _message_of(run))


def _attempt(claimed: Claimed) -> Claimed | None:
    """Perform one attempt and record it; the next attempt when the run goes on at once."""
    try:
        loaded = contexts.load(claimed.run_id, claimed.step_id)
        started, at = time.perf_counter(), utcnow()
        failpoints.hit("step.before_perform")
        result = perform(loaded)
        failpoints.hit("step.performed")
        ms = round((time.perf_counter() - started) * 1000)
        prepared = raws.prepare(result.new_raw) if result.new_raw is not None else None
        following = _record(claimed, loaded, result, prepared, at, ms)
        failpoints.hit("step.before_commit")
        db.session.commit()
        failpoints.hit("step.committed")
        return following
    except Exception:
        # A bug or a database that is away: the lease runs out, the run comes back, and after the third time it is parked.
        log.exception("action failed", extra={"run_id": claimed.run_id})
        db.session.rollback()
        return None


def perform(loaded: Loaded) -> Result:
    """Call the action; everything it may do wrong ends as a Result."""
    if loaded.problem is not None or loaded.kind is None or loaded.context is None:
        return Result("failed", error=loaded.problem or "This action cannot run.")
    try:
        return loaded.kind.perform(loaded.context)
    except Exception as error:
        # An action type is a plug-in: its bugs fail its own step and nothing else.
        log.exception("action type broke", extra={"action_type": loaded.kind.name})
        return Result("failed", error=f"The action type {loaded.kind.name} broke: {type(error).__name__}: {str(error)[:300]}")


def _record(claimed: Claimed, loaded: Loaded, result: Result, prepared: raws.Prepared | None, at: datetime, ms: int) -> Claimed | None:
    """One transaction: the attempt, its effect on our own database, the new state of the mail, and what comes next."""
    held = select(Run).where(Run.id == claimed.run_id, Run.lease_owner == claimed.owner).with_for_update()
    run = db.session.scalar(held, execution_options={"populate_existing": True})
    if run is None:
        log.warning("lost the lease of run %s", claimed.run_id)
        return None
    step = db.session.get_one(RunStep, claimed.step_id, populate_existing=True)
    if result.deed is not None and result.outcome == "success":
        result = do_deed(result)
    run.deaths, step.started_at = 0, None
    step.changed = result.changed
    secrets = loaded.secrets
    detail = " ".join([result.detail, *loaded.warnings]).strip()
    db.session.add(StepAttempt(
        step_id=step.id, number=claimed.number, at=at, outcome=result.outcome, status_code=result.status_code, ms=ms,
        request=as_dict(redact(result.request, secrets)), answer=as_dict(redact(result.answer, secrets)),
        detail=redact(detail, secrets), error=redact(result.error, secrets),
    ))  # fmt: skip
    live.notify(run.workspace_id, runs.LIVE_EVENT)
    if result.outcome in ("success", "skipped"):
        _succeeded(run, step, result, prepared, detail)
        return _go_on(run, claimed)
    if result.outcome == "retry" and claimed.number < int(step.settings["max_attempts"]):
        _later(run, step, result, claimed.number)
        return None
    _failed(run, step, result)
    return _go_on(run, claimed)


def as_dict(value: Any) -> dict[str, Any] | None:
    return value if value is None or isinstance(value, dict) else {"value": value}


def do_deed(result: Result) -> Result:
    """Work on our own database, within a savepoint: it happens with the record of it, or not at all."""
    try:
        with db.session.begin_nested():
            done = result.deed() if result.deed else None
    except Skip as skip:
        return replace(result, outcome="skipped", detail=str(skip))
    except Unsendable as error:
        return replace(result, outcome="failed", error=str(error))
    if isinstance(done, Undone):
        return replace(result, outcome=done.outcome, detail=done.text, error=done.text if done.outcome == "failed" else None)
    return replace(result, detail=done) if done else result


def _succeeded(run: Run, step: RunStep, result: Result, prepared: raws.Prepared | None, detail: str) -> None:
    step.status = "skipped" if result.outcome == "skipped" else "success"
    step.finished_at, step.detail = utcnow(), result.detail or detail
    step.passed_on = bool(step.settings["pass_to_next"]) if result.pass_to_next is None else result.pass_to_next
    if prepared is not None:
        run.state_raw_id = raws.keep(prepared).id
    if result.drop:
        run.dropped, message = True, _message_of(run)
        if message is not None:
            filing.absorb(message, run.round)
    if not step.passed_on:
        _skip_rest(run, step, f"“{step.name}” does not pass the mail on.")


def _later(run: Run, step: RunStep, result: Result, attempts: int) -> None:
    wait = wait_s(attempts, result.retry_after_s)
    step.status, run.next_attempt_at = "waiting", database_now() + timedelta(seconds=wait)
    again = f"Attempt {attempts} of {step.settings['max_attempts']}; it goes again after {span(round(wait))}."
    step.detail = f"{result.error or 'It did not work.'} {again}"
    run.lease_until = run.lease_owner = None
    db.session.flush()


def _failed(run: Run, step: RunStep, result: Result) -> None:
    step.status, step.finished_at = "failed", utcnow()
    given_up = f" Given up after {step.attempts} attempts." if result.outcome == "retry" and step.attempts > 1 else ""
    step.detail = (result.error or "It did not work.") + given_up
    run.error = run.error or f"Action {step.position + 1}, “{step.name}”: {step.detail}"
    if step.settings["on_error"] == "stop":
        _skip_rest(run, step, f"“{step.name}” failed and stops the route.")


def _go_on(run: Run, claimed: Claimed) -> Claimed | None:
    """The next attempt; None at the end, or when the time of this job is up and another one goes on."""
    db.session.flush()
    step = _next_step(run)
    if step is None:
        _end(run)
        return None
    if time.monotonic() < claimed.until:
        return _note_start(run, step, claimed.owner, claimed.until)
    run.step, run.next_attempt_at = step.position, database_now()
    run.lease_until = run.lease_owner = None
    queue.ring(runs.DRAIN)
    return None


def _skip_rest(run: Run, step: RunStep, why: str) -> None:
    rest = update(RunStep).where(RunStep.run_id == run.id, RunStep.position > step.position, RunStep.status == "waiting")
    db.session.execute(rest.values(status="skipped", detail=why, finished_at=utcnow()))


def _end(run: Run) -> None:
    failed = select(RunStep.id).where(RunStep.run_id == run.id, RunStep.status == "failed").limit(1)
    status = "failed" if db.session.scalar(failed) is not None else "success"
    if status == "success":
        run.error = None
    filing.finish(run, status, _message_of(run))
    live.notify(run.workspace_id, runs.LIVE_EVENT)


def _message_of(run: Run) -> Message | None:
    return db.session.get(Message, run.message_id, with_for_update=True, populate_existing=True) if run.message_id is not None else None

