"""Rows that were held because there was no way out go on once there is one."""

from sqlalchemy import select, update

from webapp.core import live, queue
from webapp.core.db import database_now, db
from webapp.sending import history, ledger, ways
from webapp.sending.models import Delivery

BATCH = 1000


def release_waiting() -> int:
    """Let up to 1,000 of them go when the platform has a way out; returns how many. The caller commits."""
    if ways.platform().open is None:
        return 0
    query = select(Delivery.id, Delivery.workspace_id, Delivery.outgoing_id, Delivery.campaign_id, Delivery.domain)
    query = query.where(Delivery.held_by == "transport", Delivery.state == "held")
    rows = list(db.session.execute(query.order_by(Delivery.id).limit(BATCH).with_for_update(skip_locked=True)))
    if not rows:
        return 0
    now = database_now()
    change = update(Delivery).where(Delivery.id.in_([row.id for row in rows]))
    values = {"state": "queued", "next_attempt_at": now, "held_by": None, "held_reason": None, "updated_at": now}
    db.session.execute(change.values(values), execution_options={"synchronize_session": False})
    ledger.count_rows([(row, "held", "queued") for row in rows])
    history.released([row.id for row in rows], now)
    ledger.refresh_copies({row.outgoing_id for row in rows})
    for workspace_id in {row.workspace_id for row in rows}:
        live.notify(workspace_id, ledger.LIVE_EVENT)
    queue.ring("sending.drain")
    return len(rows)
