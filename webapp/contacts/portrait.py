"""All that is kept about one person, as one JSON document: for somebody who asks what we know of them."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import or_, select

from webapp.audit import service as audit
from webapp.contacts import service, timeline
from webapp.contacts.models import Consent, Contact, Engagement, LinkClick, Note
from webapp.core.actor import Actor
from webapp.core.db import db, fresh_session
from webapp.core.lookup import get_mine
from webapp.happenings.models import Event
from webapp.suppressions.hashes import hashes_of
from webapp.suppressions.models import Suppression

#: the newest so many events are told
MOST_EVENTS = 10_000
#: what features above keep: name of the part -> (contact, its addresses) -> rows
more: dict[str, Callable[[Contact, list[str]], list[dict[str, Any]]]] = {}
#: columns that say nothing about the person
OURS = {"workspace_id", "contact_id", "is_indexed", "hash", "key_mark"}


def export(actor: Actor, contact_id: int) -> dict[str, Any]:
    """The document: contact, tags, groups, notes, consents, engagement, suppressions, events. Audited. raises NotFound"""
    actor.require("contacts:export")
    contact = service.fetch(actor, contact_id)
    addresses = timeline.addresses_of(contact)
    document = {
        "contact": _row(contact), "tags": [tag.name for tag in contact.tags], "groups": [group.name for group in contact.groups],
        "former_addresses": addresses[1:],
    }  # fmt: skip
    for name, model in (("notes", Note), ("consents", Consent), ("engagements", Engagement), ("link_clicks", LinkClick)):
        table: Any = model
        document[name] = [_row(row) for row in db.session.scalars(select(table).where(table.contact_id == contact.id))]
    document["suppressions"] = [_row(row) for row in db.session.scalars(_suppressions(contact, addresses))]
    theirs = or_(Event.recipient.in_(addresses), (Event.contact_id == contact.id) & Event.delivery_id.is_(None))
    found = select(Event).where(Event.workspace_id == contact.workspace_id, theirs).order_by(Event.id.desc()).limit(MOST_EVENTS)
    document["events"] = [_row(row) for row in db.session.scalars(found)]
    for name, part in more.items():
        document[name] = part(contact, addresses)
    return document


def note_export(actor: Actor, contact_id: int) -> None:
    """Keep that somebody took it, in a transaction of its own: reading requests write nothing. raises NotFound"""
    actor.require("contacts:export")
    target = service.target(get_mine(actor, Contact, contact_id, "contact"))
    db.session.rollback()
    with fresh_session():
        audit.record(actor, "contact.export", target)


def _suppressions(contact: Contact, addresses: list[str]) -> Any:
    hashes = list(hashes_of(contact.workspace_id, addresses))
    return select(Suppression).where(Suppression.workspace_id == contact.workspace_id, Suppression.hash.in_(hashes))


def _row(row: Any) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__table__.c if column.key not in OURS}
