"""The sending log as lists and single rows: what the actor sees, narrowed by filters that indexes serve."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, select

from webapp.core import counters
from webapp.core.actor import Actor
from webapp.core.db import database_now, db, is_sqlite
from webapp.core.errors import NotFound
from webapp.core.paging import Page, PageRequest, keyset
from webapp.mail.address import BadAddress, is_valid_domain, normalise
from webapp.mailboxes.models import Mailbox
from webapp.sending import tally
from webapp.sending.models import STATES, Delivery, Outgoing

#: what a list row and a single delivery show; `attempts` is their number
SHOWN = (
    Delivery.id, Delivery.outgoing_id, Outgoing.message_id, Delivery.mailbox_id, Outgoing.envelope_sender, Outgoing.from_address,
    Outgoing.subject, Outgoing.message_id_header, Outgoing.size_bytes, Outgoing.kind, Outgoing.source_type, Outgoing.source_id,
    Outgoing.request_id, Delivery.recipient, Delivery.domain, Delivery.state, Delivery.stream, Delivery.bounce, Delivery.attempts,
    Delivery.next_attempt_at, Delivery.host, Delivery.last_code, Delivery.last_reply, Delivery.last_error, Delivery.held_reason,
    Delivery.held_by, Delivery.on_wire_at, Delivery.sent_again, Delivery.finished_at, Delivery.created_at, Delivery.updated_at,
    Delivery.campaign_id, Delivery.contact_id,
)  # fmt: skip
Shown = Row[Any]


def list_deliveries(actor: Actor, asked: PageRequest, filters: dict[str, Any]) -> Page[Shown]:
    """Deliveries of the workspace, newest first.

    filters  state, stream, recipient (an address, or how it begins), domain, mailbox_id, outgoing_id, message_id, created_after,
             created_before, older_than_s
    """
    actor.require("deliveries:read")
    query = filtered(visible(actor), filters)
    return keyset(query, asked, keys=[Delivery.id], total=_known_total(actor, filters), scalars=False)


def _known_total(actor: Actor, filters: dict[str, Any]) -> int | None:
    """The exact number from a counter, where nothing narrows the list but a state; None where it has to be counted."""
    if actor.mailbox_ids is not None or actor.domain_ids is not None:
        return None
    narrowed = {name for name, value in filters.items() if value not in (None, "")}
    if narrowed == {"state"}:
        return counters.read(actor.workspace_id, tally.counter(filters["state"]))
    return None if narrowed else counters.read(actor.workspace_id, Delivery.__tablename__)


def counts(actor: Actor) -> dict[str, int]:
    """How many deliveries of the workspace are in each state, from the counters."""
    actor.require("deliveries:read")
    found = counters.read_many(actor.workspace_id, [tally.counter(state) for state in STATES])
    return {state: found[tally.counter(state)] for state in STATES}


def visible(actor: Actor) -> Select[Any]:
    """Deliveries of the actor's workspace, within the limits of its token."""
    query: Any = select(*SHOWN).join(Outgoing, Outgoing.id == Delivery.outgoing_id)
    query = query.where(Delivery.workspace_id == actor.workspace_id)
    if actor.mailbox_ids is not None:
        query = query.where(Delivery.mailbox_id.in_(actor.mailbox_ids))
    if actor.domain_ids is not None:
        query = query.where(Delivery.mailbox_id.in_(select(Mailbox.id).where(Mailbox.domain_id.in_(actor.domain_ids))))
    return query


def oldest_waiting(actor: Actor) -> datetime | None:
    """When the oldest delivery that waits for its turn was accepted; None when nothing waits. One look into an index for each state."""
    actor.require("deliveries:read")
    found = []
    for state in ("queued", "leased", "deferred"):
        query = visible(actor).with_only_columns(Delivery.created_at).where(Delivery.state == state)
        found.append(db.session.scalar(query.order_by(Delivery.id).limit(1)))
    return min((at for at in found if at is not None), default=None)


def find(actor: Actor, delivery_id: int) -> Shown:
    row = db.session.execute(visible(actor).where(Delivery.id == delivery_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no delivery with the id {delivery_id}.")
    return row


def filtered(query: Select[Any], filters: dict[str, Any]) -> Select[Any]:
    for name, column in (
        ("state", Delivery.state), ("stream", Delivery.stream), ("mailbox_id", Delivery.mailbox_id), ("outgoing_id", Delivery.outgoing_id),
        ("message_id", Outgoing.message_id),
    ):  # fmt: skip
        if filters.get(name) not in (None, ""):
            query = query.where(column == filters[name])
    if domain := filters.get("domain"):
        query = query.where(Delivery.domain == _domain(domain))
    if recipient := filters.get("recipient"):
        query = _by_recipient(query, recipient.strip())
    if filters.get("created_after") is not None:
        query = query.where(Delivery.created_at >= filters["created_after"])
    if filters.get("created_before") is not None:
        query = query.where(Delivery.created_at < filters["created_before"])
    if filters.get("older_than_s"):
        query = query.where(Delivery.created_at < database_now() - timedelta(seconds=filters["older_than_s"]))
    return query


def _by_recipient(query: Select[Any], text: str) -> Select[Any]:
    """A whole address, `@domain`, or the beginning of an address; each is served by an index."""
    if text.startswith("@"):
        return query.where(Delivery.domain == _domain(text[1:]))
    try:
        return query.where(Delivery.recipient == normalise(text))
    except BadAddress:
        begins = text.lower()
        if is_sqlite():  # its LIKE with an escape character does not look into the index, a range does
            return query.where(Delivery.recipient >= begins, Delivery.recipient < begins + "\U0010ffff")
        return query.where(Delivery.recipient.startswith(begins, autoescape=True))


def _domain(text: str) -> str:
    try:
        return is_valid_domain(text)
    except BadAddress:
        return text.lower()
