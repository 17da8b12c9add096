"""Notes about a contact: what team members wrote down, newest first."""

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.contacts import service
from webapp.contacts.models import Contact, Note
from webapp.contacts.telling import tell
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import NotFound, invalid
from webapp.core.lookup import get_mine
from webapp.core.paging import Page, PageRequest, keyset

LONGEST = 20_000


def list_notes(actor: Actor, contact_id: int, asked: PageRequest) -> Page[Note]:
    """raises NotFound"""
    actor.require("contacts:read")
    get_mine(actor, Contact, contact_id, "contact")
    return keyset(select(Note).where(Note.contact_id == contact_id), asked, keys=[Note.id])


def add_note(actor: Actor, contact_id: int, text: str) -> Note:
    """Plain text. raises NotFound, Invalid about text"""
    actor.require("contacts:write")
    contact = get_mine(actor, Contact, contact_id, "contact")
    plain = text.replace("\x00", "").strip()
    if not 1 <= len(plain) <= LONGEST:
        raise invalid("text", f"A note has 1 to {LONGEST} characters.")
    note = Note(workspace_id=actor.workspace_id, contact_id=contact.id, text=plain, author=actor.name)
    db.session.add(note)
    db.session.flush()
    audit.record(actor, "contact.note", service.target(contact), after={"note": note.id})
    tell(actor.workspace_id)
    return note


def get_note(actor: Actor, contact_id: int, note_id: int) -> Note:
    """raises NotFound"""
    actor.require("contacts:read")
    return _fetch(get_mine(actor, Contact, contact_id, "contact"), note_id)


def _fetch(contact: Contact, note_id: int) -> Note:
    note = db.session.scalar(select(Note).where(Note.contact_id == contact.id, Note.id == note_id))
    if note is None:
        raise NotFound(f"There is no note with the id {note_id} about this contact.")
    return note


def delete_note(actor: Actor, contact_id: int, note_id: int) -> Note:
    """raises NotFound"""
    actor.require("contacts:write")
    contact = get_mine(actor, Contact, contact_id, "contact")
    note = _fetch(contact, note_id)
    db.session.delete(note)
    db.session.flush()
    audit.record(actor, "contact.delete_note", service.target(contact), before={"note": note.id})
    tell(actor.workspace_id)
    return note
