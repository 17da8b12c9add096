"""Background doors: evaluate routes and work runs off; keep the logs for as long as they are kept."""

from datetime import timedelta

from sqlalchemy import delete, select

from webapp.automation import evaluation, exchanges, reply_limits, runs, steps
from webapp.automation.models_runs import AutoReply, RouteDay, Run
from webapp.core.db import db, utcnow
from webapp.core.queue import drain, every

KEPT = timedelta(days=90)
BATCH = 500


def has_due() -> bool:
    return evaluation.has_due() or steps.has_due()


@drain(runs.DRAIN, queue="mail", due=has_due, leaves=True)
def work(until: float) -> bool:
    """Plans first, so that every mail gets its runs; then the runs."""
    planned = evaluation.work(until)
    return steps.work(until) and planned


@every(3600, "automation.forget")
def forget_old() -> None:
    """Route logs go after 90 days, a batch at a time; numbers of days and notes of answers with them."""
    old = list(db.session.scalars(select(Run.id).where(Run.created_at < utcnow() - KEPT, Run.next_attempt_at.is_(None)).limit(BATCH)))
    if old:
        db.session.execute(delete(Run).where(Run.id.in_(old)))
    db.session.execute(delete(RouteDay).where(RouteDay.day < (utcnow() - KEPT).date()))
    db.session.execute(delete(AutoReply).where(AutoReply.at < utcnow() - reply_limits.KEPT))
    exchanges.forget_old()
    db.session.commit()
