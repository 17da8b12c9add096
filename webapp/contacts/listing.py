"""Lists of contacts: one page at a time, as fast with a million as with a thousand.

Without a filter a list is a walk down an index, and its total comes from the counters. A search for rare words takes all hits from the
index of words, one for frequent words walks down the list, where they turn up soon. Pages go on by cursor; numbers up to 100 work too.
Totals of filters are counted up to 1,000.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, func, select, tuple_

from webapp.contacts import filters, groups, tags, words
from webapp.contacts.filters import filtered as filtered
from webapp.contacts.models import Contact, GroupMember, Tag
from webapp.core import counters
from webapp.core.actor import Actor
from webapp.core.bulk import among
from webapp.core.db import db, is_sqlite
from webapp.core.errors import Invalid, NotFound, invalid
from webapp.core.paging import CAP, DEEPEST_PAGE, Page, PageRequest

TOTAL = Contact.__tablename__
#: what a list can be sorted by -> column, which an index serves together with the id. Ids are given in the order of creation
SORTABLE: dict[str, Any] = {
    "created_at": Contact.id, "id": Contact.id, "updated_at": Contact.updated_at, "name": Contact.name, "email": Contact.address,
}  # fmt: skip
#: the same order, for lists that are narrowed by the time of creation: one index serves both
MOMENT = "moment"
COLUMNS = {**SORTABLE, MOMENT: Contact.created_at}
TIMED = ("updated_at", MOMENT)
#: so sorted until somebody says otherwise: the newest first, names and addresses from A
FALLING = frozenset({"created_at", "id", "updated_at", "moment"})
#: columns of a row in a list; nothing else is read
ROW = (
    Contact.id, Contact.name, Contact.email, Contact.address, Contact.company, Contact.phone, Contact.subscribed, Contact.unsubscribed_at,
    Contact.bounced_at, Contact.complained_at, Contact.lead_score, Contact.last_contacted_at, Contact.last_active_at, Contact.source,
    Contact.created_at, Contact.updated_at,
)  # fmt: skip


def list_contacts(actor: Actor, asked: PageRequest, narrowed: Mapping[str, Any] | None = None) -> Page[Any]:
    """One page of contacts: rows with the columns of ROW and `tags`. narrowed: see `filters.filtered`

    raises  Invalid for an unknown sort_by, a cursor that is not ours, a page beyond 100, a group or a segment of nobody
    """
    actor.require("contacts:read")
    given = filters.given(narrowed or {})
    try:
        if "group_id" in given:
            groups.get_group(actor, given["group_id"])
        query: Any = filtered(actor.workspace_id, given, searching=False).with_only_columns(*ROW)
    except NotFound as error:
        raise invalid("segment_id" if "segment" in error.message else "group_id", error.message) from None
    few, many = None, False
    if typed := words.asked(str(given.pop("search", ""))):
        found = words.Found(actor.workspace_id, typed)
        few = found.few(by_id=_sorted_by(asked)[1] is Contact.id)
        many = found.many
        query = query.where(_narrow(found, asked, given) if few is None else among(Contact.id, few))
    elif not asked.cursor and asked.sort_by in (None, "created_at") and {"created_after", "created_before"} & set(given):
        asked = replace(asked, sort_by=MOMENT)
    page = walked(query, asked)
    page.items = with_tags(page.items)
    if not typed:
        page.total = total_of(actor.workspace_id, given)
    elif not given:
        page.total, page.total_is_capped = (len(few), False) if few is not None else (CAP, True) if many else (None, False)
    if page.total is None:
        _count(page, query)
    return page


def _narrow(found: words.Found, asked: PageRequest, given: Mapping[str, Any]) -> Any:
    """The condition of frequent words. SQLite's index stands in the order of ids, so it gives those of one page by itself."""
    _, column, falling, position = _sorted_by(asked)
    if not is_sqlite() or given or column is not Contact.id:
        return found.walk()
    pages = 1 if position else min(asked.page, DEEPEST_PAGE)
    return among(Contact.id, found.page(position[0] if position else None, falling, pages * asked.per_page + 1))


def walked(query: Select[Any], asked: PageRequest) -> Page[Any]:
    """One page of a SELECT of columns of contacts, in the order asked for, without a total. raises Invalid"""
    name, column, falling, position = _sorted_by(asked)
    keys = [column] if column is Contact.id else [column, Contact.id]
    if position is not None:
        query = query.where(_beyond(keys, position, falling))
    elif asked.page > DEEPEST_PAGE:
        raise invalid("page", f"Pages go up to {DEEPEST_PAGE}; go on with the cursor in meta.next_cursor.")
    order = [key.desc() if falling else key.asc() for key in keys]
    start = 0 if position is not None else (asked.page - 1) * asked.per_page
    rows = list(db.session.execute(query.order_by(*order).limit(asked.per_page + 1).offset(start)))
    more = len(rows) > asked.per_page
    rows = rows[: asked.per_page]
    cursor = _write(name, falling, [getattr(rows[-1], key.key) for key in keys]) if more else None
    return Page(rows, asked.per_page, asked.page if position is None else None, None, False, more, cursor, keyset=True)


def _sorted_by(asked: PageRequest) -> tuple[str, Any, bool, list[Any] | None]:
    """(name, column, whether it falls, position behind which the page begins). raises Invalid"""
    if asked.cursor:
        name, falling, position = _read(asked.cursor)
        return name, COLUMNS[name], falling, position
    name = asked.sort_by or "created_at"
    if name not in COLUMNS:
        raise invalid("sort_by", f"Cannot sort by {name!r}; choose one of {', '.join(sorted(SORTABLE))}.")
    return name, COLUMNS[name], (name in FALLING) if asked.descending is None else asked.descending, None


def _beyond(keys: list[Any], position: list[Any], falling: bool) -> ColumnElement[bool]:
    here: Any = keys[0] if len(keys) == 1 else tuple_(*keys)
    there: Any = position[0] if len(keys) == 1 else tuple_(*position)
    condition: ColumnElement[bool] = here < there if falling else here > there
    return condition


def _count(page: Page[Any], query: Select[Any]) -> None:
    """The total, counted up to 1,000."""
    if page.page == 1 and not page.has_more:
        page.total = len(page.items)
    else:
        some = query.with_only_columns(Contact.id).order_by(None).limit(CAP + 1).subquery()
        number = db.session.scalar(select(func.count()).select_from(some)) or 0
        page.total, page.total_is_capped = min(number, CAP), number > CAP


def total_of(workspace_id: int, given: Mapping[str, Any]) -> int | None:
    """How many contacts fit, from a counter; None where no counter knows."""
    if not given:
        return counters.read(workspace_id, TOTAL)
    if set(given) == {"group_id"}:
        return counters.read(workspace_id, groups.counter(given["group_id"]))
    if set(given) == {"tag"}:
        tag_id = tags.id_of(workspace_id, str(given["tag"]))
        return 0 if tag_id is None else counters.read(workspace_id, tags.counter(tag_id))
    return None


class Listed:
    """One row of a list: the columns of ROW, and `tags`."""

    __slots__ = (*[column.key for column in ROW], "tags")

    def __init__(self, row: Any, marks: list[Tag]) -> None:
        for name, value in zip(self.__slots__, row, strict=False):
            setattr(self, name, value)
        self.tags = marks


def with_tags(rows: list[Any]) -> list[Any]:
    """Rows of ROW with the tags of each, in one query for all."""
    marks = tags.of_contacts([row.id for row in rows])
    return [Listed(row, marks[row.id]) for row in rows]


def list_members(actor: Actor, group_id: int, asked: PageRequest) -> Page[Any]:
    """Who is on a list, as `list_contacts` answers. raises NotFound"""
    groups.get_group(actor, group_id)
    return list_contacts(actor, asked, {"group_id": group_id})


def _write(name: str, falling: bool, position: list[Any]) -> str:
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in position]
    return base64.urlsafe_b64encode(orjson.dumps([name, falling, *plain])).decode().rstrip("=")


def _read(cursor: str) -> tuple[str, bool, list[Any]]:
    try:
        name, falling, *position = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        column = COLUMNS[name]
        wanted = 1 if column is Contact.id else 2
        if not isinstance(falling, bool) or len(position) != wanted or type(position[-1]) is not int or not 0 < position[-1] < 2**63:
            raise ValueError
        if wanted == 2:
            if not isinstance(position[0], str) or "\x00" in position[0]:
                raise ValueError
            if name in TIMED:
                position[0] = datetime.fromisoformat(position[0]).astimezone(UTC)
    except (ValueError, KeyError, TypeError, OverflowError, binascii.Error):
        raise Invalid("This cursor is not one of ours.", fields={"cursor": ["Take it unchanged from meta.next_cursor."]}) from None
    return name, falling, position


def group_ids_of(contact_id: int) -> list[int]:
    return list(db.session.scalars(select(GroupMember.group_id).where(GroupMember.contact_id == contact_id)))
