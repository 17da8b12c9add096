"""Who is on which list and bears which tag: one statement for any number of contacts, with exact counters and news for each who changed.

    add(actor, group_id, ids)       remove(actor, group_id, ids)         groups
    tag(actor, tag_id, ids)         untag(actor, tag_id, ids)            tags
    link, unlink                    the same for bulk work that does its own audit, of contacts that are known to be of the workspace

The contacts are held while they are linked, so none of them is deleted in between; each counter moves by what the statement really did.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from webapp.audit import service as audit
from webapp.contacts import groups, tags
from webapp.contacts.models import Contact, ContactTag, GroupMember
from webapp.contacts.telling import note_updated
from webapp.core import counters
from webapp.core.actor import Actor
from webapp.core.bulk import among
from webapp.core.db import db, is_sqlite, utcnow
from webapp.core.errors import invalid

#: what a link joins a contact to -> table, column, name of its counter, name in the API
KINDS: dict[str, Any] = {
    "group": (GroupMember, GroupMember.group_id, groups.counter, "groups"),
    "tag": (ContactTag, ContactTag.tag_id, tags.counter, "tags"),
}


@dataclass(frozen=True)
class Changed:
    """How many contacts were added or removed, how many were so already (or not there), and how many the list has now."""

    changed: int
    unchanged: int
    total: int
    ids: tuple[int, ...] = ()

    added = removed = property(lambda self: self.changed)
    already_members = property(lambda self: self.unchanged)
    members_count = property(lambda self: self.total)


def add(actor: Actor, group_id: int, contact_ids: Sequence[int], *, strict: bool = True) -> Changed:
    """Put contacts on a list. strict: ids that are no contacts of the workspace are refused, else left out

    raises  NotFound for the group; Invalid about contact_ids
    """
    actor.require("contacts:write")
    group = groups.fetch(actor, group_id)
    return _change(actor, "group", group.id, contact_ids, True, strict, ("contact_group.add", groups.target(group)))


def remove(actor: Actor, group_id: int, contact_ids: Sequence[int]) -> Changed:
    """Take contacts off a list; who is not on it is left out. raises NotFound for the group; Invalid when nobody is named"""
    actor.require("contacts:write")
    group = groups.fetch(actor, group_id)
    if not contact_ids:
        raise invalid("contact_ids", "Name 1 to 10,000 contacts, in the body or as ?contact_ids=1,2.")
    return _change(actor, "group", group.id, contact_ids, False, False, ("contact_group.remove", groups.target(group)))


def tag(actor: Actor, tag_id: int, contact_ids: Sequence[int], *, strict: bool = True) -> Changed:
    """Give contacts a tag. raises NotFound for the tag; Invalid about contact_ids"""
    actor.require("contacts:write")
    row = tags.fetch(actor, tag_id)
    return _change(actor, "tag", row.id, contact_ids, True, strict, ("tag.add", tags.target(row)))


def untag(actor: Actor, tag_id: int, contact_ids: Sequence[int]) -> Changed:
    """Take a tag from contacts. raises NotFound for the tag"""
    actor.require("contacts:write")
    row = tags.fetch(actor, tag_id)
    return _change(actor, "tag", row.id, contact_ids, False, False, ("tag.remove", tags.target(row)))


def _change(
    actor: Actor, kind: str, owner_id: int, contact_ids: Sequence[int], adding: bool, strict: bool, said: tuple[str, Any]
) -> Changed:
    wanted = list(dict.fromkeys(contact_ids))
    there = _hold(actor, wanted)
    if strict:
        _all_there(wanted, there)
    done = (link if adding else unlink)(actor.workspace_id, kind, owner_id, wanted)
    name = KINDS[kind][2](owner_id)
    if done:
        touched(actor.workspace_id, done, KINDS[kind][3], **{"added" if adding else "removed": [said[1].name]})
        audit.record(actor, *said, after={"contacts": len(done), "ids": done[:100]})
    return Changed(len(done), len(wanted) - len(done), counters.read(actor.workspace_id, name), tuple(done))


def _hold(actor: Actor, wanted: list[int]) -> set[int]:
    """Who of them is there, held before anything that hangs on them, in one order, so that nobody waits in a ring."""
    query = select(Contact.id).where(Contact.workspace_id == actor.workspace_id, among(Contact.id, wanted))
    return set(db.session.scalars(query.order_by(Contact.id).with_for_update(key_share=True)))


def _all_there(wanted: list[int], there: set[int]) -> None:
    missing = [str(contact_id) for contact_id in wanted if contact_id not in there]
    if missing:
        raise invalid("contact_ids", f"There is no contact with the id {', '.join(missing[:10])}.")


def link(workspace_id: int, kind: str, owner_id: int, contact_ids: Sequence[int]) -> list[int]:
    """Join contacts of the workspace to a group or a tag; returns the ids of those who were not. Counter kept; no audit, no news."""
    model, column, counter, _ = KINDS[kind]
    who = select(Contact.id, literal(owner_id)).where(Contact.workspace_id == workspace_id, among(Contact.id, contact_ids))
    chosen = who.order_by(Contact.id).with_for_update(read=True, key_share=True)
    new: Any = (sqlite.insert if is_sqlite() else postgresql.insert)(model)
    statement = new.from_select(["contact_id", column.key], chosen).on_conflict_do_nothing().returning(model.contact_id)
    made = sorted(db.session.scalars(statement))
    counters.bump(workspace_id, counter(owner_id), len(made))
    return made


def unlink(workspace_id: int, kind: str, owner_id: int, contact_ids: Sequence[int]) -> list[int]:
    """Take contacts from a group or a tag of the workspace; returns the ids of those who were on it."""
    model, column, counter, _ = KINDS[kind]
    gone = delete(model).where(column == owner_id, among(model.contact_id, contact_ids)).returning(model.contact_id)
    ids = sorted(db.session.scalars(gone, execution_options={"synchronize_session": False}))
    counters.bump(workspace_id, counter(owner_id), -len(ids))
    return ids


def unlink_all(workspace_id: int, contact_ids: Sequence[int]) -> None:
    """Take contacts that are about to go off everything."""
    sums: dict[tuple[int, str], int] = {}
    for model, column, counter, _ in KINDS.values():
        gone = delete(model).where(among(model.contact_id, contact_ids)).returning(column)
        for owner_id in db.session.scalars(gone, execution_options={"synchronize_session": False}):
            key = workspace_id, counter(owner_id)
            sums[key] = sums.get(key, 0) - 1
    counters.bump_many(sums)


def replace(workspace_id: int, kind: str, contact_id: int, owner_ids: Sequence[int]) -> bool:
    """Make a contact's tags or groups exactly these, which are held by the caller; returns whether anything changed."""
    model, column, counter, _ = KINDS[kind]
    has = set(db.session.scalars(select(column).where(model.contact_id == contact_id)))
    sums = {}
    if gone := has - set(owner_ids):
        off = delete(model).where(model.contact_id == contact_id, column.in_(gone)).returning(column)
        sums.update(dict.fromkeys(db.session.scalars(off, execution_options={"synchronize_session": False}), -1))
    if new := [owner_id for owner_id in owner_ids if owner_id not in has]:
        db.session.execute(insert(model), [{"contact_id": contact_id, column.key: owner_id} for owner_id in dict.fromkeys(new)])
        sums.update(dict.fromkeys(new, 1))
    counters.bump_many({(workspace_id, counter(owner_id)): by for owner_id, by in sums.items()})
    return bool(sums)


def touched(workspace_id: int, contact_ids: Sequence[int], what: str, **names: list[str]) -> None:
    """They changed: time, event, open pages. names: which tags or groups were `added` or `removed`"""
    change = update(Contact).where(among(Contact.id, contact_ids)).values(updated_at=utcnow())
    db.session.execute(change, execution_options={"synchronize_session": False})
    note_updated(workspace_id, contact_ids, [what], **({what: names} if names else {}))
