"""Deleting contacts in bulk so that it can be taken back: all that went with each is kept in the order (`pick_rows.before`) for 30 days.

Erasing a person empties it (`forget`), so nothing of an erased person can be brought back.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.contacts import membership, service, telling, words
from webapp.contacts.models import Alias, Consent, Contact, ContactGroup, ContactTag, Engagement, GroupMember, LinkClick, Note, Tag
from webapp.core import counters, events
from webapp.core.actor import Actor
from webapp.core.bulk import among
from webapp.core.db import UTCDateTime, db
from webapp.picks.kinds import Before, Done
from webapp.picks.models import PickChange, PickRow

#: what hangs on a contact and goes with it
HANGING: tuple[Any, ...] = (Note, Consent, Engagement, LinkClick, Alias)
JOINED: dict[str, Any] = {"tag": (ContactTag, ContactTag.tag_id, Tag), "group": (GroupMember, GroupMember.group_id, ContactGroup)}
UNSYNCED = {"synchronize_session": False}


def delete_some(actor: Actor, ids: list[int]) -> Done:
    """Delete them; what it takes to bring each back is what it was."""
    actor.require("contacts:delete")
    mine = Contact.workspace_id == actor.workspace_id, among(Contact.id, ids)
    held = select(Contact.__table__).where(*mine).order_by(Contact.id).with_for_update()
    before: dict[int, dict[str, Any]] = {row["id"]: {"contact": _packed(row)} for row in db.session.execute(held).mappings()}
    for model in HANGING:
        for row in db.session.execute(select(model.__table__).where(among(model.contact_id, before))).mappings():
            before[row["contact_id"]].setdefault(model.__tablename__, []).append(_packed(row))
    for kind, (table, column, _) in JOINED.items():
        for contact_id, owner_id in db.session.execute(select(table.contact_id, column).where(among(table.contact_id, before))):
            before[contact_id].setdefault(kind, []).append(owner_id)
    for contact_id, kept in before.items():
        shown = {name: kept["contact"][name] for name in service.SHOWN}
        audit.record(actor, "contact.delete", _target(contact_id, kept["contact"]), before=shown)
    gone = service.remove(actor.workspace_id, list(before))
    return Done({contact_id: before[contact_id] for contact_id in gone})


def _target(contact_id: int, row: Mapping[str, Any]) -> Target:
    return Target("contact", contact_id, row["name"] or row["email"])


def _packed(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


def _unpacked(model: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that the table has now, as it holds them."""
    found = {}
    for column in model.__table__.c:
        if column.name in row:
            value = row[column.name]
            is_time = isinstance(column.type, UTCDateTime) and isinstance(value, str)
            found[column.key] = datetime.fromisoformat(value) if is_time else value
    return found


def bring_back(actor: Actor, rows: Mapping[int, Before]) -> Done:
    """Those whose address nobody took meanwhile, with all that hung on them; tags and groups as far as these are still there."""
    actor.require("contacts:delete")
    kept: dict[int, dict[str, Any]] = {contact_id: dict(before or {}) for contact_id, before in rows.items() if before}
    addresses = [one["contact"]["address"] for one in kept.values()]
    there = select(Contact.id, Contact.address).where(Contact.workspace_id == actor.workspace_id)
    taken = {row.address for row in db.session.execute(there.where(among(Contact.address, addresses)))}
    known = set(db.session.scalars(select(Contact.id).where(among(Contact.id, list(kept)))))
    done = Done()
    for contact_id in list(kept):
        address = kept[contact_id]["contact"]["address"]
        if address in taken or contact_id in known:
            done.problem = done.problem or f"There is another contact with the address {address} now."
            del kept[contact_id]
    if kept:
        _insert(actor, kept)
    done.changed = dict.fromkeys(kept)
    return done


def _insert(actor: Actor, kept: Mapping[int, dict[str, Any]]) -> None:
    workspace_id, ids = actor.workspace_id, list(kept)
    db.session.execute(insert(Contact), [{**_unpacked(Contact, one["contact"]), "workspace_id": workspace_id} for one in kept.values()])
    counters.bump(workspace_id, Contact.__tablename__, len(ids))
    for model in HANGING:
        hanging = [_unpacked(model, row) for one in kept.values() for row in one.get(model.__tablename__, [])]
        if hanging:
            db.session.execute(insert(model), hanging)
    for kind, (_, _, owner) in JOINED.items():
        by_owner: dict[int, list[int]] = {}
        for contact_id, one in kept.items():
            for owner_id in one.get(kind, []):
                by_owner.setdefault(owner_id, []).append(contact_id)
        living = select(owner.id).where(owner.workspace_id == workspace_id, among(owner.id, list(by_owner))).order_by(owner.id)
        for owner_id in db.session.scalars(living).all():
            membership.link(workspace_id, kind, owner_id, by_owner[owner_id])
    words.put(db.session.scalars(select(Contact).where(among(Contact.id, ids))).all())
    events.send("contacts_back", workspace_id=workspace_id, contact_ids=ids)
    telling.note_created(workspace_id, ids, "page")
    for contact_id, one in kept.items():
        audit.record(actor, "contact.restore", _target(contact_id, one["contact"]))


def forget(workspace_id: int, address: str, contact_ids: list[int]) -> int:
    """Orders keep nothing of this person any more: those about these ids, and deletions of this address. returns how many marks went"""
    orders = select(PickChange.id).where(PickChange.workspace_id == workspace_id, PickChange.kind == "contact")
    gone = 0
    for theirs in (among(PickRow.row_id, contact_ids), PickRow.before[("contact", "address")].as_string() == address):
        result: Any = db.session.execute(delete(PickRow).where(PickRow.change_id.in_(orders), theirs), execution_options=UNSYNCED)
        gone += int(result.rowcount)
    return gone
