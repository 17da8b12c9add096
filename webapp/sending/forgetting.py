"""What the ledger does when a contact is merged into another one, or a person is erased."""

from typing import Any

from sqlalchemy import String, cast, delete, func, literal, select, update

from webapp.contacts.models import Contact
from webapp.core.bulk import among
from webapp.core.db import db
from webapp.core.errors import InvalidState
from webapp.messages import raws
from webapp.sending import ledger
from webapp.sending.models import FINAL, Attempt, Delivery, Outgoing

UNSYNCED = {"synchronize_session": False}
#: domain of an erased recipient; nothing can be delivered there (RFC 2606)
NOWHERE = "erased.invalid"
#: the newest so many are told to somebody who asks what we know
MOST_TOLD = 10_000
TOLD = ("id", "recipient", "state", "campaign_id", "created_at", "finished_at", "last_code", "last_reply")


def merged(workspace_id: int, source_id: int, target_id: int) -> None:
    """Copies that went to the source are the target's."""
    address = select(Contact.address).where(Contact.id == source_id).scalar_subquery()
    theirs = Delivery.workspace_id == workspace_id, Delivery.recipient == address, Delivery.contact_id == source_id
    db.session.execute(update(Delivery).where(*theirs).values(contact_id=target_id), execution_options=UNSYNCED)


def erased(workspace_id: int, address: str, with_messages: bool, counts: dict[str, int]) -> None:
    """Deliveries keep state and times; to whom, and what servers said of them, goes. with_messages: mail to them alone goes too

    raises InvalidState while mail to the person is on its way
    """
    theirs = Delivery.workspace_id == workspace_id, Delivery.recipient == address
    open_ones = select(func.count()).select_from(Delivery).where(*theirs, Delivery.state.not_in(FINAL))
    if number := db.session.scalar(open_ones):
        text = "One mail to this person is on the way." if number == 1 else f"{number} mails to this person are on the way."
        raise InvalidState(text, hint="Wait until it has left, or cancel it, and erase the person then.")
    ids = list(db.session.scalars(select(Delivery.id).where(*theirs)))
    if not ids:
        return
    db.session.execute(delete(Attempt).where(among(Attempt.delivery_id, ids)), execution_options=UNSYNCED)
    nobody = literal("erased-") + cast(Delivery.id, String) + literal(f"@{NOWHERE}")
    values: dict[str, Any] = {
        "recipient": nobody, "domain": NOWHERE, "contact_id": None, "last_reply": None, "last_error": None, "held_reason": None,
        "updated_at": Delivery.updated_at,
    }  # fmt: skip
    db.session.execute(update(Delivery).where(among(Delivery.id, ids)).values(values), execution_options=UNSYNCED)
    counts["deliveries"] = counts.get("deliveries", 0) + len(ids)
    if with_messages:
        _remove(ids)


def _remove(ids: list[int]) -> None:
    """Mail that went to nobody else; its source too, unless somebody else needs it. Letters of campaigns are for many."""
    theirs = select(Delivery.outgoing_id).where(among(Delivery.id, ids), Delivery.campaign_id.is_(None))
    shared = select(Delivery.outgoing_id).where(Delivery.outgoing_id.in_(theirs), ~among(Delivery.id, ids))
    alone = select(Outgoing.id, Outgoing.raw_id).where(Outgoing.id.in_(theirs), Outgoing.id.not_in(shared))
    mails = {row.id: row.raw_id for row in db.session.execute(alone)}
    if not mails:
        return
    columns = Delivery.workspace_id, Delivery.state
    gone = delete(Delivery).where(among(Delivery.outgoing_id, mails)).returning(*columns)
    moves = [(row.workspace_id, row.state, None) for row in db.session.execute(gone, execution_options=UNSYNCED)]
    db.session.execute(delete(Outgoing).where(among(Outgoing.id, mails)), execution_options=UNSYNCED)
    ledger.count_moves(moves)
    raws.release(mails.values())


def told(contact: Contact, addresses: list[str]) -> list[dict[str, Any]]:
    """Deliveries to a person, newest first."""
    columns = [getattr(Delivery, name) for name in TOLD]
    query = select(*columns).where(Delivery.workspace_id == contact.workspace_id, Delivery.recipient.in_(addresses))
    rows = db.session.execute(query.order_by(Delivery.id.desc()).limit(MOST_TOLD))
    return [dict(zip(TOLD, row, strict=True)) for row in rows]
