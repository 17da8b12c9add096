"""Tags: marks on contacts. How many contacts bear one stands in the counter `tag:ID`, kept by whoever gives or takes it."""

import re
import zlib
from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, false, select
from sqlalchemy.dialects import postgresql, sqlite

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.contacts.models import Contact, ContactTag, Tag
from webapp.contacts.telling import tell
from webapp.core import counters
from webapp.core.actor import Actor
from webapp.core.counters import Counter
from webapp.core.db import db, is_sqlite, utcnow
from webapp.core.errors import invalid
from webapp.core.lookup import get_mine, mine
from webapp.domains.taken import unless_taken

LONGEST, MOST_NAMES = 50, 100
COLOR = re.compile(r"#[0-9A-Fa-f]{6}\Z")
COLORS = ("#3B82F6", "#8B5CF6", "#EF4444", "#F59E0B", "#10B981", "#EC4899", "#06B6D4", "#84CC16", "#F97316", "#6366F1")
_UNFIT = re.compile(r"[\s,\x00-\x1f\x7f]+")


def counter(tag_id: int) -> str:
    return f"tag:{tag_id}"


def list_tags(actor: Actor, search: str | None = None) -> list[Tag]:
    """All of the workspace by name, each with `contacts_count`; search is a part of the name."""
    actor.require("contacts:read")
    query = mine(actor, Tag)
    if search:
        query = query.where(Tag.name.contains(search.lower(), autoescape=True))
    return counted(actor.workspace_id, list(db.session.scalars(query.order_by(Tag.name))))


def counted(workspace_id: int, rows: list[Tag]) -> list[Tag]:
    """The same tags, with `contacts_count` set on each."""
    numbers = counters.read_many(workspace_id, [counter(tag.id) for tag in rows]) if rows else {}
    for tag in rows:
        tag.contacts_count = numbers[counter(tag.id)]
    return rows


def get_tag(actor: Actor, tag_id: int) -> Tag:
    """With `contacts_count`. raises NotFound"""
    actor.require("contacts:read")
    return fetch(actor, tag_id)


def fetch(actor: Actor, tag_id: int, *, for_update: bool = False) -> Tag:
    """The same for services, which asked for their scope already."""
    return counted(actor.workspace_id, [get_mine(actor, Tag, tag_id, "tag", for_update=for_update)])[0]


def create_tag(actor: Actor, *, name: str, color: str | None = None) -> Tag:
    """raises Invalid about name (malformed, or taken) or color"""
    actor.require("contacts:write")
    tag = Tag(workspace_id=actor.workspace_id, name=_name(name), color=_color(color) if color else color_of(name))
    _unless_there(actor, tag.name)
    with unless_taken("name", f"The tag {tag.name} was made by somebody else at this moment."):
        db.session.add(tag)
    tag.contacts_count = 0
    audit.record(actor, "tag.create", target(tag), after={"name": tag.name, "color": tag.color})
    tell(actor.workspace_id)
    return tag


def update_tag(actor: Actor, tag_id: int, changes: dict[str, Any]) -> Tag:
    """changes  name, color. raises NotFound, Invalid"""
    actor.require("contacts:write")
    tag = fetch(actor, tag_id, for_update=True)
    before = {"name": tag.name, "color": tag.color}
    if changes.get("name") is not None and (name := _name(changes["name"])) != tag.name:
        _unless_there(actor, name)
        with unless_taken("name", f"The tag {name} was made by somebody else at this moment."):
            tag.name = name
    if changes.get("color") is not None:
        tag.color = _color(changes["color"])
    db.session.flush()
    audit.record(actor, "tag.update", target(tag), before=before, after={"name": tag.name, "color": tag.color})
    tell(actor.workspace_id)
    return tag


def delete_tag(actor: Actor, tag_id: int) -> Tag:
    """It goes from all contacts that bear it; they stay. raises NotFound"""
    actor.require("contacts:delete")
    tag = fetch(actor, tag_id, for_update=True)
    audit.record(actor, "tag.delete", target(tag), before={"name": tag.name, "color": tag.color, "contacts": tag.contacts_count})
    db.session.delete(tag)
    db.session.flush()
    db.session.execute(delete(Counter).where(Counter.workspace_id == actor.workspace_id, Counter.name == counter(tag.id)))
    tell(actor.workspace_id)
    return tag


def target(tag: Tag) -> Target:
    return Target("tag", tag.id, tag.name)


def named(whose: Actor | int, names: Iterable[str]) -> list[Tag]:
    """The tags of these names in the order given, made when missing; names are made to fit. raises Invalid about tags

    The rows are held until the end of the transaction, so that none of them is deleted before a contact gets it.
    """
    workspace_id = whose if isinstance(whose, int) else whose.workspace_id
    wanted = list(dict.fromkeys(fitted(name) for name in names))
    if len(wanted) > MOST_NAMES:
        raise invalid("tags", f"At most {MOST_NAMES} tags at once.")
    if not wanted:
        return []
    found = _held(workspace_id, wanted)
    missing = [name for name in wanted if name not in found]
    if missing:
        now = utcnow()
        insert: Any = (sqlite.insert if is_sqlite() else postgresql.insert)(Tag)
        values = [
            {"workspace_id": workspace_id, "name": name, "color": color_of(name), "created_at": now, "updated_at": now}
            for name in missing
        ]
        db.session.execute(insert.on_conflict_do_nothing(), values)
        found = _held(workspace_id, wanted)
        tell(workspace_id)
    return [found[name] for name in wanted]


def _held(workspace_id: int, names: list[str]) -> dict[str, Tag]:
    query = select(Tag).where(Tag.workspace_id == workspace_id, Tag.name.in_(names)).order_by(Tag.id)
    return {tag.name: tag for tag in db.session.scalars(query.with_for_update(read=True, key_share=True))}


def fitted(name: str) -> str:
    """A tag that came in with a contact, made to fit: lower case, hyphens for blanks. raises Invalid about tags

    >>> fitted(" Big Spender ")
    'big-spender'
    """
    text = _UNFIT.sub("-", str(name).strip().lower()).strip("-")
    if not 1 <= len(text) <= LONGEST:
        raise invalid("tags", f"A tag has 1 to {LONGEST} characters; “{str(name)[:60]}” does not fit.")
    return text


def _name(name: str) -> str:
    if not 1 <= len(name) <= LONGEST:
        raise invalid("name", f"A tag has 1 to {LONGEST} characters.")
    if name != name.lower() or _UNFIT.search(name):
        raise invalid("name", f"A tag is lower case, without blanks and commas. Try “{_UNFIT.sub('-', name.strip().lower())}”.")
    return name


def _color(text: str) -> str:
    if not COLOR.match(text):
        raise invalid("color", "A color is # and six hexadecimal digits, such as #3B82F6.")
    return text.upper()


def color_of(name: str) -> str:
    """The color of a tag for which nobody chose one: the same for the same name."""
    return COLORS[zlib.crc32(name.encode("utf-8", "replace")) % len(COLORS)]


def _unless_there(actor: Actor, name: str) -> None:
    if db.session.scalar(mine(actor, Tag).where(Tag.name == name)) is not None:
        raise invalid("name", f"There is a tag {name} already. Choose another name.")


def of_contacts(contact_ids: Iterable[int]) -> dict[int, list[Tag]]:
    """The tags of some contacts, each list by id; one query for all of them."""
    found: dict[int, list[Tag]] = {contact_id: [] for contact_id in contact_ids}
    if found:
        query = select(ContactTag.contact_id, Tag).join(Tag, Tag.id == ContactTag.tag_id).where(ContactTag.contact_id.in_(list(found)))
        for contact_id, tag in db.session.execute(query.order_by(Tag.id)):
            found[contact_id].append(tag)
    return found


def bearing(workspace_id: int, name: str) -> Any:
    """A condition on contacts: bears the tag of this name. Its id is looked up first, so that the database knows how many that are."""
    tag_id = id_of(workspace_id, name)
    return false() if tag_id is None else Contact.id.in_(select(ContactTag.contact_id).where(ContactTag.tag_id == tag_id))


def id_of(workspace_id: int, name: str) -> int | None:
    return db.session.scalar(select(Tag.id).where(Tag.workspace_id == workspace_id, Tag.name == name.strip().lower()))
