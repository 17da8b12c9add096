"""The attempts of a delivery as people see them.

A copy of a campaign that was taken at its first attempt has no row for it (`plain_sent`): that attempt is read from the event that tells
of it, which holds the same facts but for how long it took.
"""

from typing import Any

from sqlalchemy import select

from webapp.core.db import db
from webapp.happenings.models import Event
from webapp.sending.models import Attempt, Delivery


def of(delivery_id: int) -> list[Attempt]:
    """Every attempt, the first one first. Check the right to see the delivery before."""
    query = select(Attempt).where(Attempt.delivery_id == delivery_id).order_by(Attempt.number, Attempt.id)
    found = list(db.session.scalars(query))
    if any(attempt.number == 1 and attempt.outcome == "sent" for attempt in found):
        return found
    first = _plain(delivery_id)
    return found if first is None else [first, *found]


def _plain(delivery_id: int) -> Attempt | None:
    """The first attempt of a copy that was taken at once, from its event; never written."""
    columns = Delivery.workspace_id, Delivery.recipient, Delivery.attempts
    row = db.session.execute(select(*columns).where(Delivery.id == delivery_id, Delivery.campaign_id.is_not(None))).one_or_none()
    if row is None or row.attempts < 1:
        return None
    mine = select(Event.at, Event.details).where(Event.workspace_id == row.workspace_id, Event.recipient == row.recipient)
    mine = mine.where(Event.delivery_id == delivery_id, Event.type == "sent").order_by(Event.id).limit(1)
    event = db.session.execute(mine).one_or_none()
    said: dict[str, Any] = (event.details or {}) if event is not None else {}
    if event is None or said.get("attempt") != 1:
        return None
    text = str(said.get("reply") or "")
    return Attempt(
        delivery_id=delivery_id, number=1, at=event.at, host=said.get("host") or "", outcome="sent", code=said.get("code"), text=text,
        dialogue=[f"S: {text}"] if text else [], seconds=0.0, tls=said.get("tls"),
    )  # fmt: skip
