"""What happened to a contact, newest first: what was done to it, and the mail that went to its address or came of it.

Two walks down two indexes of the event stream, put together: events that name the contact, and events of mail to its addresses (also
those of contacts that were merged into it).
"""

from typing import Any

from sqlalchemy import Select, and_, select, text

from webapp.contacts.models import Alias, Contact
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import invalid
from webapp.core.lookup import get_mine
from webapp.core.paging import Page, PageRequest, read_cursor, write_cursor
from webapp.happenings.models import Event

#: as the partial index has it
_OF_CONTACT = text("events.contact_id IS NOT NULL AND events.delivery_id IS NULL")


def addresses_of(contact: Contact) -> list[str]:
    """The addresses whose mail is theirs: its own first, then those of contacts merged into it."""
    former = db.session.scalars(select(Alias.address).where(Alias.contact_id == contact.id).order_by(Alias.id))
    return list(dict.fromkeys([contact.address, *former]))


def list_timeline(actor: Actor, contact_id: int, asked: PageRequest, type: str | None = None) -> Page[Event]:
    """One page by cursor; type narrows it to one type of event. raises NotFound, Invalid"""
    actor.require("contacts:read")
    contact = get_mine(actor, Contact, contact_id, "contact")
    position, newest = read_cursor(asked.cursor, 1, asked.descending is not False)
    if position is None and asked.page > 1:
        raise invalid("page", "A timeline goes on with the cursor in meta.next_cursor.")
    found: dict[int, Event] = {}
    for query in _walks(contact):
        if type:
            query = query.where(Event.type == type)
        if position is not None:
            query = query.where(Event.id < position[0] if newest else Event.id > position[0])
        order = Event.id.desc() if newest else Event.id.asc()
        found.update({event.id: event for event in db.session.scalars(query.order_by(order).limit(asked.per_page + 1))})
    rows = [found[event_id] for event_id in sorted(found, reverse=newest)]
    more = len(rows) > asked.per_page
    rows = rows[: asked.per_page]
    cursor = write_cursor([rows[-1].id], newest) if more else None
    return Page(rows, asked.per_page, 1 if position is None else None, None, False, more, cursor, keyset=True)


def _walks(contact: Contact) -> list[Select[Any]]:
    own: Any = select(Event).where(and_(Event.contact_id == contact.id, _OF_CONTACT), Event.workspace_id == contact.workspace_id)
    theirs: Any = select(Event).where(Event.workspace_id == contact.workspace_id)
    return [own, *[theirs.where(Event.recipient == address) for address in addresses_of(contact)]]
