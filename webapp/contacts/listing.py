"""Lists of contacts: one page at a time, as fast with a million as with a thousand.

Without a filter a list is a walk down an index, and its total comes from the counters. A group or a tag is walked down the index of its
members. A search for rare words takes all hits from the index of words, one for frequent words walks down the list, where they turn up
soon. Whatever else narrows a large list is sought within a bounded time (`contacts.seeking`). Totals of filters are counted up to 1,000.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, and_, func, select

from webapp.contacts import filters, groups, seeking, tags, words
from webapp.contacts.filters import filtered as filtered
from webapp.contacts.models import Contact, ContactTag, GroupMember, Tag
from webapp.contacts.walking import MOMENT, ROW, Order, order_of, walked
from webapp.contacts.walking import SORTABLE as SORTABLE
from webapp.core import counters
from webapp.core.actor import Actor
from webapp.core.bulk import among
from webapp.core.db import db, is_sqlite
from webapp.core.errors import NotFound, invalid
from webapp.core.paging import CAP, DEEPEST_PAGE, Page, PageRequest

TOTAL = Contact.__tablename__
#: filters that an index finds, however many contacts there are
SWIFT = {"group_id", "tag", "email", "ids"}
#: a group or a tag of more contacts is walked along with the contacts, in orders other than that of the ids
LARGE = 20_000


def list_contacts(actor: Actor, asked: PageRequest, narrowed: Mapping[str, Any] | None = None) -> Page[Any]:
    """One page of contacts: rows with the columns of ROW and `tags`. narrowed: see `filters.filtered`

    raises  Invalid for an unknown sort_by, a cursor that is not ours, a page beyond 100, a group or a segment of nobody;
            Unavailable where finding them takes too long
    """
    actor.require("contacts:read")
    given = filters.given(narrowed or {})
    try:
        if "group_id" in given:
            groups.get_group(actor, given["group_id"])
        page = _searched(actor, asked, given) if given.get("search") else _narrowed(actor.workspace_id, asked, given)
    except NotFound as error:
        raise invalid("segment_id" if "segment" in error.message else "group_id", error.message) from None
    page.items = with_tags(page.items)
    return page


def _narrowed(workspace_id: int, asked: PageRequest, given: dict[str, Any]) -> Page[Any]:
    """A page without a search."""
    if not asked.cursor and asked.sort_by in (None, "created_at") and {"created_after", "created_before"} & set(given):
        asked = replace(asked, sort_by=MOMENT)
    order = order_of(asked)
    name, link, whose = _members(workspace_id, given, order)

    def chosen(walking: bool) -> Any:
        query: Any = filtered(workspace_id, {key: value for key, value in given.items() if key != name}, walking=walking)
        joined = query if link is None else query.join(link, and_(link.contact_id == Contact.id, whose))
        return joined.with_only_columns(*ROW)

    by = link.contact_id if link is not None and order.column is Contact.id else None
    query = chosen(walking=False)
    if set(given) - SWIFT and counters.read(workspace_id, TOTAL) > seeking.SMALL:
        return seeking.sought(query, chosen(walking=True), asked, by)
    page = walked(query, asked, by)
    page.total = total_of(workspace_id, given)
    if page.total is None:
        _count(page, query)
    return page


def _members(workspace_id: int, given: Mapping[str, Any], order: Order) -> tuple[str, Any, Any]:
    """(name of the filter, table of its members, condition on that): what is walked instead of the contacts."""
    found: tuple[str, Any, Any] = ("", None, None)
    if "group_id" in given:
        found, name = ("group_id", GroupMember, GroupMember.group_id == given["group_id"]), groups.counter(given["group_id"])
    elif "tag" in given and (tag_id := tags.id_of(workspace_id, str(given["tag"]))) is not None:
        found, name = ("tag", ContactTag, ContactTag.tag_id == tag_id), tags.counter(tag_id)
    if found[0] and order.column is not Contact.id and not (is_sqlite() and counters.read(workspace_id, name) > LARGE):
        return "", None, None
    return found


def _searched(actor: Actor, asked: PageRequest, given: dict[str, Any]) -> Page[Any]:
    """A page of a search; without a word in it, one without."""
    typed = words.asked(str(given.pop("search")))
    if not typed:
        return _narrowed(actor.workspace_id, asked, given)
    query: Any = filtered(actor.workspace_id, given).with_only_columns(*ROW)
    found = words.Found(actor.workspace_id, typed)
    few = found.few(by_id=order_of(asked).column is Contact.id)
    query = query.where(_narrow(found, asked, given) if few is None else among(Contact.id, few))
    page = walked(query, asked)
    if not given:
        page.total, page.total_is_capped = (len(few), False) if few is not None else (CAP, True) if found.many else (None, False)
    if page.total is None:
        _count(page, query)
    return page


def _narrow(found: words.Found, asked: PageRequest, given: Mapping[str, Any]) -> Any:
    """The condition of frequent words. SQLite's index stands in the order of ids, so it gives those of one page by itself."""
    order = order_of(asked)
    if not is_sqlite() or given or order.column is not Contact.id:
        return found.walk()
    pages = 1 if order.position else min(asked.page, DEEPEST_PAGE)
    return among(Contact.id, found.page(order.position[0] if order.position else None, order.falling, pages * asked.per_page + 1))


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


def group_ids_of(contact_id: int) -> list[int]:
    return list(db.session.scalars(select(GroupMember.group_id).where(GroupMember.contact_id == contact_id)))
