"""The sending log keeps finished deliveries with their dialogue for 90 days (DESIGN section 2); the archived mail stays."""

from datetime import timedelta

from sqlalchemy import delete, select

from webapp.core.db import database_now, db
from webapp.sending import ledger
from webapp.sending.models import FINAL, Delivery, Outgoing

KEPT = timedelta(days=90)
#: so many of the oldest rows are looked at in one go, so that an hour without old ones costs nothing
BATCH = 2000


def forget_old() -> int:
    """Remove finished deliveries older than 90 days, and mails that have none left; returns how many deliveries went."""
    oldest = select(Delivery.id, Delivery.workspace_id, Delivery.outgoing_id, Delivery.state, Delivery.finished_at)
    rows = list(db.session.execute(oldest.order_by(Delivery.id).limit(BATCH)))
    ends = database_now() - KEPT
    gone = [row for row in rows if row.state in FINAL and row.finished_at is not None and row.finished_at < ends]
    if not gone:
        return 0
    db.session.execute(delete(Delivery).where(Delivery.id.in_([row.id for row in gone])), execution_options={"synchronize_session": False})
    mails = {row.outgoing_id for row in gone}
    left = set(db.session.scalars(select(Delivery.outgoing_id).where(Delivery.outgoing_id.in_(mails)).distinct()))
    empty = delete(Outgoing).where(Outgoing.id.in_(mails - left))
    db.session.execute(empty, execution_options={"synchronize_session": False})
    ledger.count_moves((row.workspace_id, row.state, None) for row in gone)
    return len(gone)
