"""Reading the event stream, and keeping it from growing without end."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, select

from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import NotFound
from webapp.core.paging import Page, PageRequest, keyset
from webapp.happenings.models import Event
from webapp.mail.address import BadAddress, normalise
from webapp.mailboxes.models import Mailbox

#: how long events are kept; the numbers of each day (`core.rollups`) stay as long
KEPT = timedelta(days=400)
#: so many of the oldest rows are looked at in one go, so that an hour without old ones costs nothing
BATCH = 5000
#: transactions that run side by side write ids and times in different orders; none of them is open longer than this
SLACK = timedelta(minutes=15)


def list_events(actor: Actor, asked: PageRequest, filters: dict[str, Any]) -> Page[Event]:
    """What happened, newest first.

    filters  type, recipient (an address), mailbox_id, delivery_id, since (from then on), until (before then)
    """
    actor.require("events:read")
    return keyset(_filtered(_visible(actor), filters), asked, keys=[Event.id], count=False)


def get_event(actor: Actor, event_id: int) -> Event:
    """raises NotFound"""
    actor.require("events:read")
    row: Event | None = db.session.scalar(_visible(actor).where(Event.id == event_id))
    if row is None:
        raise NotFound(f"There is no event with the id {event_id}.")
    return row


def _visible(actor: Actor) -> Select[Any]:
    """Events of the actor's workspace, within the limits of its token."""
    query: Any = select(Event).where(Event.workspace_id == actor.workspace_id)
    if actor.mailbox_ids is not None:
        query = query.where(Event.mailbox_id.in_(actor.mailbox_ids))
    if actor.domain_ids is not None:
        query = query.where(Event.mailbox_id.in_(select(Mailbox.id).where(Mailbox.domain_id.in_(actor.domain_ids))))
    return query


def _filtered(query: Select[Any], filters: dict[str, Any]) -> Select[Any]:
    for name, column in (("type", Event.type), ("mailbox_id", Event.mailbox_id), ("delivery_id", Event.delivery_id)):
        if filters.get(name) not in (None, ""):
            query = query.where(column == filters[name])
    if recipient := (filters.get("recipient") or "").strip():
        query = query.where(Event.recipient == _address(recipient))
    if (since := filters.get("since")) is not None:
        query = query.where(Event.at >= since, Event.id >= first_id(since - SLACK))
    if (until := filters.get("until")) is not None:
        query = query.where(Event.at < until, Event.id <= first_id(until + SLACK))
    return query


def _address(text: str) -> str:
    try:
        return normalise(text)
    except BadAddress:
        return text.lower()


def first_id(moment: datetime) -> int:
    """About the first id of that time, found by halving between the oldest and the newest, since times grow with the ids."""
    oldest = db.session.scalar(select(Event.id).order_by(Event.id).limit(1)) or 0
    newest = db.session.scalar(select(Event.id).order_by(Event.id.desc()).limit(1)) or 0
    low, high = oldest, newest + 1
    while low < high:
        middle = (low + high) // 2
        row = db.session.execute(select(Event.id, Event.at).where(Event.id >= middle).order_by(Event.id).limit(1)).one_or_none()
        if row is None or row.at >= moment:
            high = middle
        else:
            low = row.id + 1
    return low


def forget_old() -> int:
    """Remove up to 5,000 events older than 400 days; returns how many went. The caller commits."""
    ends = utcnow() - KEPT
    oldest = db.session.execute(select(Event.id, Event.at).order_by(Event.id).limit(BATCH))
    gone = [row.id for row in oldest if row.at < ends]
    if gone:
        old = delete(Event).where(Event.id >= gone[0], Event.id <= gone[-1], Event.at < ends)
        db.session.execute(old, execution_options={"synchronize_session": False})
    return len(gone)
