"""Tags and groups given to many picked contacts at once, or taken from them (see `picking`)."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy import Select, func, select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.contacts import groups, membership, tags
from webapp.contacts.models import Contact, ContactGroup, ContactTag, GroupMember, Tag
from webapp.core.actor import Actor
from webapp.core.bulk import among
from webapp.core.db import db
from webapp.core.errors import invalid
from webapp.core.lookup import get_mine, mine
from webapp.core.wording import number
from webapp.picks.kinds import Action, Before, Done, Effect, Given

#: tags and groups that a form offers; others can be typed, or found on their pages
OFFERED = 500
#: kind of what contacts are joined to -> the table that joins them, the column with the other side, the other side
JOINED: dict[str, Any] = {"tag": (ContactTag, ContactTag.tag_id, Tag), "group": (GroupMember, GroupMember.group_id, ContactGroup)}
VERBS = {("tag", True): "contact.tag", ("tag", False): "contact.untag", ("group", True): "contact.join", ("group", False): "contact.leave"}


def people(count: int, one: str = "", many: str = "") -> str:
    """ "1 contact gets", "12 contacts get" """
    return f"{number(count)} contact{'' if count == 1 else 's'}{' ' if one else ''}{one if count == 1 else many}"


def count(query: Select[Any]) -> int:
    return db.session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0


def record(actor: Actor, verb: str, ids: list[int], **after: Any) -> None:
    """An entry for each of them."""
    names = db.session.execute(select(Contact.id, Contact.name, Contact.email).where(among(Contact.id, ids)).order_by(Contact.id))
    for row in names:
        audit.record(actor, verb, Target("contact", row.id, row.name or row.email), after=after)


def _joined(kind: str, owner_id: int, ids: Select[Any]) -> int:
    """How many of them bear the tag, or are on the list."""
    table, column, _ = JOINED[kind]
    return count(select(table.contact_id).where(column == owner_id, table.contact_id.in_(ids.order_by(None))))


def _change(actor: Actor, kind: str, adding: bool, owner: Any, ids: list[int]) -> list[int]:
    """Join contacts of the workspace to it or take them off; returns those that changed."""
    actor.require("contacts:write")
    here = list(db.session.scalars(select(Contact.id).where(Contact.workspace_id == actor.workspace_id, among(Contact.id, ids))))
    done = (membership.link if adding else membership.unlink)(actor.workspace_id, kind, owner.id, here)
    if done:
        membership.touched(actor.workspace_id, done, f"{kind}s", **{"added" if adding else "removed": [owner.name]})
        record(actor, VERBS[kind, adding], done, **{kind: owner.name})
    return done


def _turn_back(kind: str, adding: bool, actor: Actor, rows: Mapping[int, Before]) -> Done:
    """Undo: the same rows the other way, of the tag or group that was meant then."""
    model, done, by_owner = JOINED[kind][2], Done(), dict[int, list[int]]()
    for contact_id, before in rows.items():
        by_owner.setdefault(int((before or {}).get("id", 0)), []).append(contact_id)
    for owner_id, ids in by_owner.items():
        owner = db.session.scalar(mine(actor, model).where(model.id == owner_id))
        if owner is None:
            done.problem = f"The {kind} is not there any more."
            continue
        done.changed.update(dict.fromkeys(_change(actor, kind, not adding, owner, ids)))
    return done


def _done(owner: Any, ids: list[int]) -> Done:
    return Done({contact_id: {"id": owner.id} for contact_id in ids})


# --- tags ------------------------------------------------------------------------------------------------


def tag_action(adding: bool, told: str) -> Action:
    """The action with one tag, by its name; a tag that is not there is made when it is given to somebody. raises Invalid"""
    name = tags.fitted(told)

    def known(actor: Actor) -> Tag | None:
        return db.session.scalar(mine(actor, Tag).where(Tag.name == name))

    def effect(actor: Actor, ids: Select[Any]) -> Effect:
        tag = known(actor)
        total, bear = count(ids), _joined("tag", tag.id, ids) if tag else 0
        if not adding:
            without = _rest(total - bear, "does not bear", "do not bear", "it")
            return Effect(bear, f"{people(bear, 'loses', 'lose')} the tag {name}.{without}")
        new = "" if tag else " The tag is new and is made with it."
        return Effect(total - bear, f"{people(total - bear, 'gets', 'get')} the tag {name}.{new}{_rest(bear, 'has', 'have', 'it already')}")

    def apply(actor: Actor, ids: list[int]) -> Done:
        actor.require("contacts:write")
        tag = tags.named(actor, [name])[0] if adding else known(actor)
        return Done(problem=f"There is no tag {name}.") if tag is None else _done(tag, _change(actor, "tag", adding, tag, ids))

    word, past, link = ("Add", "tagged", "to") if adding else ("Remove", "without the tag", "from")
    return Action(
        f"{word.lower()}_tag:{name}", f"{word} tag {name}", "tag", f"{past} {name}", "contacts:write", effect, apply,
        partial(_turn_back, "tag", adding), link=link,
    )  # fmt: skip


def _rest(number_: int, one: str, many: str, what: str) -> str:
    return f" {people(number_, one, many)} {what}." if number_ else ""


def _offered_tags(actor: Actor) -> list[tuple[str, str]]:
    return [(tag.name, f"{tag.name} ({number(tag.contacts_count)})") for tag in tags.list_tags(actor)[:OFFERED]]


# --- groups ----------------------------------------------------------------------------------------------


def group_action(adding: bool, told: str, name: str = "") -> Action:
    """The action with one group, by its id; `name` makes its label say which. raises Invalid"""
    group_id = int(told) if told.isdecimal() and len(told) < 19 else 0
    if not group_id:
        raise invalid("told", "Choose a group.")

    def effect(actor: Actor, ids: Select[Any]) -> Effect:
        group = get_mine(actor, ContactGroup, group_id, "contact group")
        total, members = count(ids), _joined("group", group_id, ids)
        if not adding:
            text = f"{people(members, 'leaves', 'leave')} the group {group.name} and stay{'s' if members == 1 else ''} here."
            return Effect(members, f"{text}{_rest(total - members, 'is', 'are', 'not in it')}")
        text = f"{people(total - members, 'comes', 'come')} into the group {group.name}."
        return Effect(total - members, f"{text}{_rest(members, 'is', 'are', 'in it already')}")

    def apply(actor: Actor, ids: list[int]) -> Done:
        group = get_mine(actor, ContactGroup, group_id, "contact group")
        return _done(group, _change(actor, "group", adding, group, ids))

    verb, icon, past = ("add_to", "folder-plus", "added to the group") if adding else ("remove_from", "folder", "removed from the group")
    label = f"{verb.replace('_', ' ').capitalize()} {name or 'group'}"
    back = partial(_turn_back, "group", adding)
    return Action(f"{verb}_group:{group_id}", label, icon, past, "contacts:write", effect, apply, back, link=":")


def _offered_groups(actor: Actor) -> list[tuple[str, str]]:
    rows = groups.list_groups(actor)[:OFFERED]
    return [(str(group.id), f"{group.name} ({number(group.members_count)})") for group in rows]


def _asks(name: str, label: str, icon: str, link: str, given: Given) -> Action:
    return Action.that_asks(name, label, icon, "contacts:write", given, link)


NEW_TAG = "A tag that is not there yet is made."
ADD_TO_GROUP = _asks("add_to_group", "Add to group", "folder-plus", ":", Given(
    "Group", "", _offered_groups, partial(group_action, True), nothing="There is no group yet. Make one under People, Groups.",
))  # fmt: skip
REMOVE_FROM_GROUP = _asks("remove_from_group", "Remove from group", "folder", ":", Given(
    "Group", "", _offered_groups, partial(group_action, False), nothing="There is no group yet.",
))  # fmt: skip
TAG_ACTIONS = (
    _asks("add_tag", "Add tag", "tag", "to", Given("Tag", NEW_TAG, _offered_tags, partial(tag_action, True), free=True)),
    _asks("remove_tag", "Remove tag", "tags", "from", Given(
        "Tag", "", _offered_tags, partial(tag_action, False), nothing="There is no tag yet.",
    )),
)  # fmt: skip
