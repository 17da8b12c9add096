"""From a checked tree to a condition over `Contact`, with the same meaning on SQLite and PostgreSQL.

Everything that somebody wrote becomes a bind parameter or a row id; the statement itself is made of known columns only. A field that is
gone, or whose type no longer takes the operator, holds for nobody. Tags, groups and campaigns are EXISTS with an index behind it on
PostgreSQL, which turns them into joins, and sets of ids on SQLite, which walks the smaller side first; whoever asks a sample has them
looked up contact by contact.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import aliased

from webapp.contacts.models import Contact, ContactGroup, ContactTag, CustomField, Engagement, GroupMember, Tag
from webapp.core.db import db, is_sqlite, utcnow
from webapp.mail.address import BadAddress, is_valid_domain, normalise
from webapp.segments import campaigns
from webapp.segments.custom import Custom
from webapp.segments.language import CUSTOM, Tree, field, leaves
from webapp.segments.matching import of_number, of_text, opposite
from webapp.segments.values import instant

Condition = ColumnElement[bool]
#: operators that hold where another one does not
NEGATIVE = {
    "not_equals": "equals", "not_in": "in", "not_contains": "contains", "is_empty": "is_not_empty", "not_within_days": "within_days",
}  # fmt: skip


@dataclass
class Known:
    """What the tree needs to know of its workspace, read once: types of custom fields, the moment that "in the last days" counts from."""

    workspace_id: int
    types: Mapping[str, str]
    now: datetime
    #: whether tags and the like are compared as sets of ids
    by_set: bool
    #: whether they are looked up by themselves for each contact, whatever the planner thinks of it
    singly: bool = False


def condition(workspace_id: int, tree: Tree, *, now: datetime | None = None, few: bool = False, singly: bool = False) -> Condition:
    """The condition of a checked tree over `Contact`; whoever uses it adds the workspace of the contacts.

    now     the moment from which days are counted back
    few     only a few contacts are asked, such as a window of ids: SQLite then looks tags and the like up one by one as well
    singly  even fewer, and scattered ones: PostgreSQL must not read all bearers of a tag beforehand either
    """
    types = custom_types(workspace_id) if any(leaf["field"].startswith(CUSTOM) for leaf in leaves(tree)) else {}
    return _tree(Known(workspace_id, types, now or utcnow(), by_set=is_sqlite() and not few and not singly, singly=singly), tree)


def custom_types(workspace_id: int) -> dict[str, str]:
    """Key -> type of the custom fields of a workspace."""
    rows = db.session.execute(select(CustomField.key, CustomField.type).where(CustomField.workspace_id == workspace_id))
    return {row.key: row.type for row in rows}


def _tree(known: Known, tree: Tree) -> Condition:
    parts = [_tree(known, one) if "conditions" in one else _leaf(known, one) for one in tree["conditions"]]
    return or_(*parts) if tree["match"] == "any" else and_(*parts)


def _leaf(known: Known, leaf: Tree) -> Condition:
    one = field(leaf["field"], known.types)
    if one is None or leaf["operator"] not in one.operators:
        return false()
    name, operator, value = leaf["field"], leaf["operator"], leaf["value"]
    if name.startswith(CUSTOM):
        return Custom(name.removeprefix(CUSTOM)).condition(one.kind, operator, value, known.now)
    return _COMPILERS[name if name in _COMPILERS else one.kind](known, name, operator, value)


def _text(_: Known, name: str, operator: str, value: Any) -> Condition:
    return of_text(getattr(Contact, name), operator, value)


def _email(_: Known, _name: str, operator: str, value: Any) -> Condition:
    """Whole addresses by the form that makes them one, through its index; parts of them as they were typed."""
    plain = NEGATIVE.get(operator, operator)
    if plain not in ("equals", "in"):
        return of_text(Contact.email, operator, value)
    found = Contact.address.in_([_address(one) for one in (value if plain == "in" else [value])])
    return found if plain == operator else ~found


def _address(text: str) -> str:
    try:
        return normalise(text)
    except BadAddress:
        return text.lower()


def _domain(_: Known, _name: str, operator: str, value: Any) -> Condition:
    plain = NEGATIVE.get(operator, operator)
    if plain not in ("equals", "in"):
        return of_text(Contact.domain, operator, value)
    found = Contact.domain.in_([_domain_name(one) for one in (value if plain == "in" else [value])])
    return found if plain == operator else ~found


def _domain_name(text: str) -> str:
    try:
        return is_valid_domain(text.removeprefix("@"))
    except BadAddress:
        return text.lower()


def _score(_: Known, name: str, operator: str, value: Any) -> Condition:
    return of_number(getattr(Contact, name), operator, value)


def _moment(known: Known, name: str, operator: str, value: Any) -> Condition:
    return of_moment(getattr(Contact, name), operator, value, known.now)


def of_moment(column: Any, operator: str, value: Any, now: datetime) -> Condition:
    """A column of times; a day is the whole of it in UTC."""
    if operator in NEGATIVE:
        return opposite(of_moment(column, NEGATIVE[operator], value, now), column)
    if operator == "is_not_empty":
        return column.is_not(None)
    if operator == "within_days":
        return column.between(now - timedelta(days=value), now)
    start, end = instant(value)
    if operator == "before":
        return column < start
    return column >= end if operator == "after" else and_(column >= start, column < end)


def _flag(_: Known, name: str, operator: str, value: Any) -> Condition:
    return getattr(Contact, name).is_(value == (operator == "equals"))


def _source(_: Known, name: str, operator: str, value: Any) -> Condition:
    plain = NEGATIVE.get(operator, operator)
    found: Condition = getattr(Contact, name).in_(value if plain == "in" else [value])
    return found if plain == operator else ~found


def _member(known: Known, link: Any, key: Any, owner: Any, operator: str, value: Any) -> Condition:
    """Whether a contact bears a tag or is on a list: by the ids of the workspace's own rows."""
    plain = NEGATIVE.get(operator, operator)
    theirs = select(owner.id).where(owner.workspace_id == known.workspace_id)
    if plain != "is_not_empty":
        wanted = value if plain == "in" else [value]
        numbers, names = [one for one in wanted if isinstance(one, int)], [_name(owner, one) for one in wanted if isinstance(one, str)]
        rows = list(db.session.scalars(theirs.where(or_(owner.id.in_(numbers), owner.name.in_(names)))))
        if not rows:
            return false() if plain == operator else ~false()
        bearing = select(link.contact_id).where(key == rows[0] if len(rows) == 1 else key.in_(rows))
        return _exists(known, bearing, link.contact_id, plain == operator)
    return _exists(known, select(link.contact_id), link.contact_id, plain == operator)


def _name(owner: Any, name: str) -> str:
    return tag_name(name) if owner is Tag else name


def tag_name(name: str) -> str:
    """As the row has it: tags are lower case and have no blanks."""
    return "-".join(name.lower().split())


def _exists(known: Known, query: Any, column: Any, wanted: bool) -> Condition:
    """Whether the query names the contact."""
    if known.by_set:
        found: Condition = Contact.id.in_(query)
    elif known.singly:  # one value cannot be made a table of hashes
        found = query.where(column == Contact.id).correlate(Contact).limit(1).scalar_subquery().is_not(None)
    else:
        found = query.where(column == Contact.id).correlate(Contact).exists()
    return found if wanted else ~found


def _tag(known: Known, _name: str, operator: str, value: Any) -> Condition:
    link = aliased(ContactTag)
    return _member(known, link, link.tag_id, Tag, operator, value)


def _group(known: Known, _name: str, operator: str, value: Any) -> Condition:
    link = aliased(GroupMember)
    return _member(known, link, link.group_id, ContactGroup, operator, value)


def _received(known: Known, _name: str, operator: str, value: Any) -> Condition:
    plain = NEGATIVE.get(operator, operator)
    chosen = campaigns.ids(known.workspace_id, value if plain == "in" else [value])
    if not chosen:
        return false() if plain == operator else ~false()
    return _exists(known, campaigns.received(chosen), campaigns.DELIVERIES.c.contact_id, plain == operator)


def _engaged(known: Known, name: str, operator: str, value: Any) -> Condition:
    """Opened or clicked, by a person."""
    row = aliased(Engagement)
    at = row.opened_at if name == "opened_campaign" else row.clicked_at
    plain = NEGATIVE.get(operator, operator)
    query = select(row.contact_id).where(row.workspace_id == known.workspace_id)
    if plain == "within_days":
        query = query.where(at >= known.now - timedelta(days=value))
    elif plain == "is_not_empty":
        query = query.where(at.is_not(None))
    else:
        chosen = campaigns.ids(known.workspace_id, value if plain == "in" else [value])
        if not chosen:
            return false() if plain == operator else ~false()
        query = query.where(row.campaign_id == chosen[0] if len(chosen) == 1 else row.campaign_id.in_(chosen), at.is_not(None))
    return _exists(known, query, row.contact_id, plain == operator)


#: by name of the field where that is special, else by kind
_COMPILERS: dict[str, Callable[[Known, str, str, Any], Condition]] = {
    "email": _email, "domain": _domain, "text": _text, "number": _score, "moment": _moment, "flag": _flag, "source": _source, "tag": _tag,
    "group": _group, "received": _received, "engaged": _engaged,
}  # fmt: skip
