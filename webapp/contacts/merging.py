"""Two contacts that are one person: what the source has goes over to the target, and the source goes.

The target keeps what it says itself; gaps are filled from the source. Whoever said no with either address gets no more campaigns. The id
of the source stays known (`contact_aliases`), because links in mail that is out there name it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from webapp.audit import service as audit
from webapp.contacts import membership, service, subscribing, telling, values
from webapp.contacts.models import Alias, Consent, Contact, ContactGroup, ContactTag, Engagement, GroupMember, LinkClick, Note, Tag
from webapp.core import counters, events
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import invalid
from webapp.core.lookup import get_mine
from webapp.happenings.models import Event

UNSYNCED = {"synchronize_session": False}
NUMBERS = ("opens", "clicks", "machine_opens", "machine_clicks")
MOMENTS = ("opened_at", "clicked_at", "unsubscribed_at", "complained_at")


def candidates(actor: Actor, contact_id: int, limit: int = 10) -> list[Contact]:
    """Who may be the same person: contacts of the same name, or the same name before the @. raises NotFound"""
    actor.require("contacts:read")
    contact = get_mine(actor, Contact, contact_id, "contact")
    others = select(Contact).where(Contact.workspace_id == actor.workspace_id, Contact.id != contact.id)
    local = contact.address.rpartition("@")[0] + "@"
    alike = [Contact.name == contact.name] if contact.name else []
    alike.append((Contact.address >= local) & (Contact.address < local[:-1] + "A"))
    found: dict[int, Contact] = {}
    for condition in alike:
        found.update({row.id: row for row in db.session.scalars(others.where(condition).order_by(Contact.id).limit(limit))})
    return list(found.values())[:limit]


def merge(actor: Actor, target_id: int, source_id: int) -> Contact:
    """Take the source into the target; returns the target. raises NotFound for the target, Invalid about source_id"""
    actor.require("contacts:write")
    events.send("contacts_merging", workspace_id=actor.workspace_id, source_id=source_id, target_id=target_id)
    wanted = Contact.workspace_id == actor.workspace_id, Contact.id.in_([source_id, target_id])
    held = {row.id: row for row in db.session.scalars(select(Contact).where(*wanted).order_by(Contact.id).with_for_update())}
    target = held.get(target_id) or get_mine(actor, Contact, target_id, "contact")
    if source_id == target_id:
        raise invalid("source_id", "A contact cannot be merged with itself. Name another one.")
    if source_id not in held:
        raise invalid("source_id", f"There is no contact with the id {source_id}.")
    counters.bump(actor.workspace_id, Contact.__tablename__, -1)
    source = service.loaded(held[source_id])
    before, gone = service.snapshot(service.loaded(target)), service.snapshot(source)
    _links(source, target)
    _fill(source, target)
    _history(source, target)
    events.send("contacts_merged", workspace_id=actor.workspace_id, source_id=source.id, target_id=target.id)
    said_no = not source.subscribed and target.subscribed
    address = source.address
    _drop(source)
    target.updated_at = utcnow()
    db.session.flush()
    if said_no:
        subscribing.unsubscribe(actor.workspace_id, [target.id], source="api", evidence=f"{address} was unsubscribed", actor=None)
    changed = [key for key in service.SHOWN if before[key] != getattr(target, key)]
    telling.note_updated(actor.workspace_id, [target.id], [*changed, "merged"], merged=source_id)
    audit.record(actor, "contact.merge", service.target(target), before={"source": gone}, after={"target": service.snapshot(target)})
    return service.loaded(target)


def _links(source: Contact, target: Contact) -> None:
    kinds: tuple[tuple[str, Any, Any, Any], ...] = (
        ("group", ContactGroup, GroupMember, GroupMember.group_id), ("tag", Tag, ContactTag, ContactTag.tag_id),
    )  # fmt: skip
    for kind, owner, model, column in kinds:
        both = select(column).where(model.contact_id.in_([source.id, target.id]))
        held = select(owner.id).where(owner.id.in_(both)).order_by(owner.id).with_for_update(read=True, key_share=True)
        membership.replace(target.workspace_id, kind, target.id, list(db.session.scalars(held)))
    membership.unlink_all(source.workspace_id, [source.id])


def _fill(source: Contact, target: Contact) -> None:
    """Gaps of the target."""
    if not target.name:
        target.name, target.first_name, target.last_name = source.name, source.first_name, source.last_name
    for key in values.TEXTS:
        if getattr(target, key) is None:
            setattr(target, key, getattr(source, key))
    target.custom_fields = {**source.custom_fields, **target.custom_fields}
    target.lead_score = max(source.lead_score, target.lead_score)
    for key in ("last_contacted_at", "last_active_at"):
        setattr(target, key, _latest(getattr(source, key), getattr(target, key)))
    target.complained_at = target.complained_at or source.complained_at


def _history(source: Contact, target: Contact) -> None:
    """Notes, consents, former ids, events, engagement."""
    for model in (Note, Consent, Alias):
        move = update(model).where(model.contact_id == source.id).values(contact_id=target.id)
        db.session.execute(move, execution_options=UNSYNCED)
    mine = Event.contact_id == source.id, Event.delivery_id.is_(None), Event.workspace_id == source.workspace_id
    db.session.execute(update(Event).where(*mine).values(contact_id=target.id), execution_options=UNSYNCED)
    db.session.add(Alias(id=source.id, workspace_id=source.workspace_id, address=source.address, contact_id=target.id))
    _add_up(Engagement, ("campaign_id",), source.id, target.id)
    _add_up(LinkClick, ("campaign_id", "link"), source.id, target.id)


def _add_up(model: Any, key: Iterable[str], source_id: int, target_id: int) -> None:
    """Rows of both for the same thing become one: first times, and numbers added up."""
    has = {tuple(getattr(row, name) for name in key): row for row in db.session.scalars(select(model).where(model.contact_id == target_id))}
    moved = []
    for row in db.session.scalars(select(model).where(model.contact_id == source_id)):
        there = has.get(tuple(getattr(row, name) for name in key))
        if there is None:
            moved.append({column.key: getattr(row, column.key) for column in model.__table__.c} | {"contact_id": target_id})
            continue
        for name in NUMBERS:
            if hasattr(row, name):
                setattr(there, name, getattr(there, name) + getattr(row, name))
        for name in (*MOMENTS, "first_at"):
            if hasattr(row, name):
                setattr(there, name, _earliest(getattr(row, name), getattr(there, name)))
    db.session.flush()
    db.session.execute(delete(model).where(model.contact_id == source_id), execution_options=UNSYNCED)
    if moved:
        db.session.execute(model.__table__.insert(), moved)


def _drop(source: Contact) -> None:
    """Nothing hangs on it any more."""
    db.session.flush()
    db.session.expunge(source)
    service.remove(source.workspace_id, [source.id], counted=False)


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)
