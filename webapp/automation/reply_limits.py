"""How often a route may answer: once in a while for one sender, and a bounded number of answers an hour altogether.

The second bound ends loops with a responder that changes its address at every answer (RELIABILITY C-17).
"""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from webapp.automation.models_runs import AutoReply
from webapp.core.db import db, is_sqlite
from webapp.core.outside import outside
from webapp.core.wording import span

HOUR = timedelta(hours=1)
#: what is noted of an answer is kept for so long, which is the longest pause
KEPT = timedelta(days=31)
MOST_PER_HOUR = 300


def take(route_id: int, sender: str, pause_hours: int) -> str | None:
    """Note an answer in the current transaction; None when it may go, else why not, as a sentence."""
    now, pause = outside().clock.now(), timedelta(hours=pause_hours)
    recent = select(AutoReply.id).where(AutoReply.route_id == route_id, AutoReply.at > now - HOUR).limit(MOST_PER_HOUR)
    if (db.session.scalar(select(func.count()).select_from(recent.subquery())) or 0) >= MOST_PER_HOUR:
        return f"No answer was sent. This route sent {MOST_PER_HOUR} answers within the last hour; more would look like a loop."
    insert = (sqlite.insert if is_sqlite() else postgresql.insert)(AutoReply).values(route_id=route_id, sender=sender, at=now)
    taken = insert.on_conflict_do_update(
        index_elements=["route_id", "sender"], set_={"at": now}, where=AutoReply.at <= now - pause
    ).returning(AutoReply.id)
    if db.session.execute(taken).first() is None:
        return f"No answer was sent. {sender} had one from this route within the last {span(pause)}."
    return None
