"""What routes did with one mail: steps for its timeline, and a clause for the sentence that answers where it is."""

from sqlalchemy import select

from webapp.automation.models_runs import FINAL, MOST_DEATHS, RoutePlan, Run, RunStep
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.wording import time_text
from webapp.messages.models import Message
from webapp.messages.timeline import Step

MOST = 50
TITLES = {
    "queued": "Route “{}” waits for a worker", "running": "Route “{}” is at work", "success": "Route “{}” ran",
    "failed": "Route “{}” failed", "skipped": "Route “{}” did not run", "quarantined": "Route “{}” was held back",
}  # fmt: skip


def _runs(message: Message) -> list[Run]:
    return list(db.session.scalars(select(Run).where(Run.message_id == message.id).order_by(Run.id.desc()).limit(MOST)))


def steps(actor: Actor, message: Message) -> list[Step]:
    if not actor.may("logs:read"):
        return []
    return [
        Step(
            run.finished_at or run.started_at or run.created_at, TITLES[run.status].format(run.route_name),
            run.error or _matched(run), run.status, url=f"/runs/{run.id}",
        )
        for run in _runs(message)
    ]  # fmt: skip


def _matched(run: Run) -> str:
    held = sum(verdict["matched"] is True for verdict in run.verdicts)
    return f"{held} of {len(run.verdicts)} rules held." if run.verdicts else "It has no rules and runs on every mail."


def clause(actor: Actor, message: Message) -> str | None:
    """"2 routes ran, 1 failed", and what is still waited for; None when routes have nothing to say."""
    found = [run for run in _runs(message) if run.status != "skipped"]
    plan = db.session.scalar(select(RoutePlan).where(RoutePlan.message_id == message.id).limit(1))
    if not found:
        return _of_plan(plan) if plan is not None else None
    done = sum(run.status == "success" for run in found)
    failed = sum(run.status == "failed" for run in found)
    held = sum(run.status == "quarantined" for run in found)
    busy = [run for run in found if run.status not in FINAL]
    words = [(done, "ran"), (failed, "failed"), (held, "held back"), (len(busy), "still at work")]
    told = ", ".join(f"{number} route{'' if number == 1 else 's'} {verb}" for number, verb in words if number)
    return told + (f": {_of_run(busy[-1])}" if busy else "")


def _of_plan(plan: RoutePlan) -> str:
    waits = ", and it is filed after that" if plan.held else ""
    if plan.deaths > 1 or (plan.deaths and (plan.lease_until is None or plan.lease_until < utcnow())):
        why = f"evaluating them ended a worker or failed {plan.deaths} of {MOST_DEATHS} times"
        return f"its routes are tried alone, because {why}{waits}"
    return f"its routes are about to be evaluated{waits}"


def _of_run(run: Run) -> str:
    """What the oldest unfinished run waits for."""
    step = db.session.scalar(select(RunStep).where(RunStep.run_id == run.id, RunStep.position == run.step))
    what = f"“{run.route_name}”" + (f", action {step.position + 1} “{step.name}”," if step is not None else "")
    now = utcnow()
    if run.lease_until is not None and run.lease_until > now:
        return f"{what} is being worked on"
    if step is not None and run.next_attempt_at is not None and run.next_attempt_at > now:
        tried = f"{step.attempts} of {step.settings['max_attempts']} attempts"
        return f"{what} goes again at {time_text(run.next_attempt_at, 'time')} after {tried}"
    if run.deaths:
        return f"{what} is taken over, because a worker ended over it {run.deaths} of {MOST_DEATHS} times"
    return f"{what} waits for a worker"
