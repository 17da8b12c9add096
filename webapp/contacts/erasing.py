"""Erasing a person: all that says who they are goes, at once and for good; a receipt stays that names nobody.

What goes: the contact with its words, notes, consents and engagement; who it was in the event stream; what features above keep of the
person (`contact_erased`: the ledger of deliveries, mail by choice, undo data); stored answers of the API. What stays: numbers, and a
keyed hash on the suppression list, so that nobody writes to them again. The receipt has the same hash: whoever knows the address can check
it, and `again` erases a person whom a restored backup brought back.
"""

from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Select, delete, func, select, text, update

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.contacts import reviving, service, timeline
from webapp.contacts.models import Alias, Consent, Contact, Engagement, Erasure, LinkClick, Note
from webapp.core import counters, events
from webapp.core.actor import Actor
from webapp.core.db import db, is_sqlite, utcnow
from webapp.core.errors import InvalidState, NotFound
from webapp.core.idempotency import IdempotencyKey
from webapp.core.lookup import mine
from webapp.core.paging import Page, PageRequest, keyset
from webapp.happenings import stream
from webapp.happenings.models import Event
from webapp.mail.address import BadAddress, normalise
from webapp.suppressions import service as suppressions
from webapp.suppressions.adding import New, add_many
from webapp.suppressions.hashes import hash_of, hashes_of, key_mark
from webapp.tokens.models import ApiToken

UNSYNCED = {"synchronize_session": False}
#: what an erased person is called
ERASED = "an erased person"
#: contacts that `again` looks at in one go
BATCH = 5000


def erase(actor: Actor, contact_id: int, *, messages: bool = False) -> Erasure:
    """Erase a person; messages: also mail that came from them or went to them alone. returns the receipt. raises NotFound"""
    actor.require("contacts:erase")
    contact = service.fetch(actor, contact_id, for_update=True)
    counters.bump(actor.workspace_id, Contact.__tablename__, -1)
    addresses = timeline.addresses_of(contact)
    counts = _hanging(contact)
    stream.write_noted()
    counts["events"] = _events(contact, addresses)
    counts["undo"] = sum(reviving.forget(actor.workspace_id, address, [contact.id]) for address in addresses)
    counts["answers"] = sum(_answers(actor.workspace_id, address) for address in addresses)
    for address in addresses:
        events.send(
            "contact_erased", workspace_id=actor.workspace_id, contact_id=contact.id, address=address, with_messages=messages, counts=counts
        )
    _suppress(actor, addresses)
    receipt = Erasure(
        workspace_id=actor.workspace_id, at=utcnow(), hash=hash_of(actor.workspace_id, contact.address), key_mark=key_mark(),
        by=actor.name or "Mailroom", counts={name: number for name, number in counts.items() if number},
    )  # fmt: skip
    db.session.add(receipt)
    db.session.flush()
    db.session.expunge(contact)
    service.remove(actor.workspace_id, [contact.id], nameless=True, counted=False)
    audit.record(actor, "contact.erase", Target("contact", contact.id, ERASED), after={"receipt": receipt.id, **receipt.counts})
    return receipt


def _hanging(contact: Contact) -> dict[str, int]:
    """How many rows go with the contact by themselves."""
    counts = {"contacts": 1}
    for model in (Note, Consent, Engagement, LinkClick, Alias):
        table: Any = model
        number = db.session.scalar(select(func.count()).select_from(table).where(table.contact_id == contact.id)) or 0
        counts[table.__tablename__] = number
    return counts


def _events(contact: Contact, addresses: list[str]) -> int:
    """What happened stays as a number and a time; to whom, and the words of other servers, go."""
    nobody = {"recipient": None, "contact_id": None, "details": None}
    total = 0
    mine = Event.workspace_id == contact.workspace_id
    for theirs in (Event.recipient.in_(addresses), (Event.contact_id == contact.id) & Event.delivery_id.is_(None)):
        done: Any = db.session.execute(update(Event).where(mine, theirs).values(nobody), execution_options=UNSYNCED)
        total += int(done.rowcount)
    return total


def _answers(workspace_id: int, address: str) -> int:
    """Answers of the API that are kept for repeated requests and name the person."""
    holds = text("instr(answer, :wanted) > 0" if is_sqlite() else "position(CAST(:wanted AS bytea) IN answer) > 0")
    ours = IdempotencyKey.token_id.in_(select(ApiToken.id).where(ApiToken.workspace_id == workspace_id))
    gone = delete(IdempotencyKey).where(ours, holds.bindparams(wanted=address.encode()))
    done: Any = db.session.execute(gone, execution_options=UNSYNCED)
    return int(done.rowcount)


def _suppress(actor: Actor, addresses: list[str]) -> None:
    """Known by a hash alone, and written to by nobody."""
    add_many(actor.workspace_id, [New(address, "unsubscription", "all", "api") for address in addresses])
    allowed = replace(actor, scopes=actor.scopes | {"suppressions:write"})
    for address in addresses:
        suppressions.erase(allowed, address)


def list_erasures(actor: Actor, asked: PageRequest, filters: dict[str, Any]) -> Page[Erasure]:
    """Receipts, newest first. filters: address (a whole one: was this person erased, and when?)"""
    actor.require("contacts:erase")
    return keyset(_receipts(actor, filters.get("address")), asked, keys=[Erasure.id])


def _receipts(actor: Actor, address: str | None) -> Select[Any]:
    query: Any = mine(actor, Erasure)
    if not address:
        return query
    try:
        plain = normalise(address)
    except BadAddress:
        plain = address.lower()
    return query.where(Erasure.hash.in_(list(hashes_of(actor.workspace_id, [plain]))))


def get_erasure(actor: Actor, erasure_id: int) -> Erasure:
    """raises NotFound"""
    actor.require("contacts:erase")
    row: Erasure | None = db.session.scalar(mine(actor, Erasure).where(Erasure.id == erasure_id))
    if row is None:
        raise NotFound(f"There is no receipt with the id {erasure_id}.")
    return row


class Again(NamedTuple):
    """erased: people who were back and are gone once more · left: to whom mail is on its way, so that they wait"""

    erased: int = 0
    left: int = 0


def again(workspace_id: int) -> Again:
    """Erase once more contacts of whom there is a receipt that is younger than they are: a restored backup brought them back.

    Whoever was made after the erasure came by themselves and stays. Commits after each.
    """
    all_of_them = db.session.scalars(select(Erasure).where(Erasure.workspace_id == workspace_id).order_by(Erasure.at))
    receipts = {receipt.hash: receipt for receipt in all_of_them}
    actor, beyond, done = Actor.system(workspace_id), 0, Again()
    while receipts:
        query = select(Contact.id, Contact.address, Contact.created_at).where(Contact.workspace_id == workspace_id, Contact.id > beyond)
        rows = db.session.execute(query.order_by(Contact.id).limit(BATCH)).all()
        if not rows:
            break
        beyond = rows[-1].id
        theirs = hashes_of(workspace_id, [row.address for row in rows])
        back = {theirs[one]: receipts[one] for one in receipts.keys() & theirs.keys()}
        for row in rows:
            receipt = back.get(row.address)
            if receipt is not None and row.created_at <= receipt.at:
                done = _once_more(actor, row.id, bool(receipt.counts.get("messages")), done)
    return done


def _once_more(actor: Actor, contact_id: int, messages: bool, done: Again) -> Again:
    try:
        erase(actor, contact_id, messages=messages)
    except InvalidState:
        db.session.rollback()
        return done._replace(left=done.left + 1)
    db.session.commit()
    return done._replace(erased=done.erased + 1)
