"""Contact groups: lists that campaigns go to. How many are on one stands in the counter `group:ID`, kept by whoever adds or removes."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import delete, select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.contacts.models import ContactGroup, GroupMember
from webapp.contacts.telling import tell
from webapp.core import counters, events
from webapp.core.actor import Actor
from webapp.core.counters import Counter
from webapp.core.db import db
from webapp.core.errors import invalid
from webapp.core.lookup import get_mine, mine
from webapp.domains.taken import unless_taken

LONGEST, LONGEST_TEXT = 100, 1000


def counter(group_id: int) -> str:
    return f"group:{group_id}"


def list_groups(actor: Actor, search: str | None = None) -> list[ContactGroup]:
    """All of the workspace, oldest first, each with `members_count`; search is a part of the name."""
    actor.require("contacts:read")
    query = mine(actor, ContactGroup)
    if search:
        query = query.where(ContactGroup.name.icontains(search, autoescape=True))
    return counted(actor.workspace_id, list(db.session.scalars(query.order_by(ContactGroup.id))))


def counted(workspace_id: int, rows: list[ContactGroup]) -> list[ContactGroup]:
    """The same groups, with `members_count` set on each."""
    numbers = counters.read_many(workspace_id, [counter(group.id) for group in rows]) if rows else {}
    for group in rows:
        group.members_count = numbers[counter(group.id)]
    return rows


def get_group(actor: Actor, group_id: int) -> ContactGroup:
    """With `members_count`. raises NotFound"""
    actor.require("contacts:read")
    return fetch(actor, group_id)


def fetch(actor: Actor, group_id: int, *, for_update: bool = False) -> ContactGroup:
    """The same for services, which asked for their scope already."""
    return counted(actor.workspace_id, [get_mine(actor, ContactGroup, group_id, "contact group", for_update=for_update)])[0]


def create_group(actor: Actor, *, name: str, description: str | None = None) -> ContactGroup:
    """raises Invalid about name (malformed, or taken) or description"""
    actor.require("contacts:write")
    group = ContactGroup(workspace_id=actor.workspace_id, name=_name(name), description=_text(description))
    _unless_there(actor, group.name)
    with unless_taken("name", f"The group {group.name} was made by somebody else at this moment."):
        db.session.add(group)
    group.members_count = 0
    audit.record(actor, "contact_group.create", target(group), after=_snapshot(group))
    tell(actor.workspace_id)
    return group


def update_group(actor: Actor, group_id: int, changes: dict[str, Any]) -> ContactGroup:
    """changes  name, description. raises NotFound, Invalid"""
    actor.require("contacts:write")
    group = fetch(actor, group_id, for_update=True)
    before = _snapshot(group)
    if changes.get("name") is not None and (name := _name(changes["name"])) != group.name:
        _unless_there(actor, name)
        with unless_taken("name", f"The group {name} was made by somebody else at this moment."):
            group.name = name
    if "description" in changes:
        group.description = _text(changes["description"])
    db.session.flush()
    audit.record(actor, "contact_group.update", target(group), before=before, after=_snapshot(group))
    tell(actor.workspace_id)
    return group


def delete_group(actor: Actor, group_id: int) -> ContactGroup:
    """The list goes, its members stay as contacts. raises NotFound; whoever still needs it (a campaign that waits) raises InUse"""
    actor.require("contacts:delete")
    group = fetch(actor, group_id, for_update=True)
    events.send("contact_group_deleted", workspace_id=actor.workspace_id, group_id=group.id)
    audit.record(actor, "contact_group.delete", target(group), before={**_snapshot(group), "members": group.members_count})
    db.session.delete(group)
    db.session.flush()
    db.session.execute(delete(Counter).where(Counter.workspace_id == actor.workspace_id, Counter.name == counter(group.id)))
    tell(actor.workspace_id)
    return group


def target(group: ContactGroup) -> Target:
    return Target("contact_group", group.id, group.name)


def held(actor: Actor, group_ids: Sequence[int]) -> list[ContactGroup]:
    """These groups in the order given, held until the end of the transaction. raises Invalid about group_ids"""
    wanted = list(dict.fromkeys(group_ids))
    if not wanted:
        return []
    query = mine(actor, ContactGroup).where(ContactGroup.id.in_(wanted)).order_by(ContactGroup.id)
    found = {group.id: group for group in db.session.scalars(query.with_for_update(read=True, key_share=True))}
    missing = [str(group_id) for group_id in wanted if group_id not in found]
    if missing:
        raise invalid("group_ids", f"There is no contact group with the id {', '.join(missing[:10])}.")
    return [found[group_id] for group_id in wanted]


def _snapshot(group: ContactGroup) -> dict[str, Any]:
    return {"name": group.name, "description": group.description}


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= LONGEST:
        raise invalid("name", f"A name has 1 to {LONGEST} characters.")
    return name


def _text(text: str | None) -> str | None:
    plain = (text or "").strip()
    if len(plain) > LONGEST_TEXT:
        raise invalid("description", f"At most {LONGEST_TEXT} characters; this has {len(plain)}.")
    return plain or None


def _unless_there(actor: Actor, name: str) -> None:
    if db.session.scalar(mine(actor, ContactGroup).where(ContactGroup.name == name)) is not None:
        raise invalid("name", f"There is a group named {name} already. Choose another name.")


def of_contacts(contact_ids: Iterable[int]) -> dict[int, list[ContactGroup]]:
    """The groups of some contacts, each list by id; one query for all of them."""
    found: dict[int, list[ContactGroup]] = {contact_id: [] for contact_id in contact_ids}
    if found:
        query = select(GroupMember.contact_id, ContactGroup).join(ContactGroup, ContactGroup.id == GroupMember.group_id)
        for contact_id, group in db.session.execute(query.where(GroupMember.contact_id.in_(list(found))).order_by(ContactGroup.id)):
            found[contact_id].append(group)
    return found
