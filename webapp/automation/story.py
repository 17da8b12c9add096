"""What routes did with one mail: steps for its timeline, and a clause for the sentence that answers where it is."""

from sqlalchemy import select

from webapp.automation.models_runs import RoutePlan, Run
from webapp.core.actor import Actor
from webapp.core.db import db
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
    """"2 routes ran, 1 failed"; None when routes have nothing to say."""
    found = [run for run in _runs(message) if run.status != "skipped"]
    if not found:
        waits = db.session.scalar(select(RoutePlan.id).where(RoutePlan.message_id == message.id).limit(1))
        return "its routes are about to be evaluated" if waits is not None else None
    done = sum(run.status == "success" for run in found)
    failed = sum(run.status == "failed" for run in found)
    held = sum(run.status == "quarantined" for run in found)
    busy = len(found) - done - failed - held
    words = [(done, "ran"), (failed, "failed"), (held, "held back"), (busy, "still at work")]
    return ", ".join(f"{number} route{'' if number == 1 else 's'} {verb}" for number, verb in words if number)
