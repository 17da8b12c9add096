"""A page of a large list that is narrowed by what no index finds, such as a segment: in a bounded time, whatever it asks.

Three ways, the cheap ones first. PostgreSQL's planner says when all who fit are found at once: then they are taken, and sorted. Else the
list is walked for a moment: those who are not rare turn up. Who did not is either rare, and then few enough to be taken after all, or far
from where the list begins, and then everybody is looked at once and the first page of that is kept.
"""

from typing import Any

from sqlalchemy import Select, func, select

from webapp.contacts.models import Contact
from webapp.contacts.walking import ROW, order_of, page_of, start_of, walked
from webapp.core.bulk import among
from webapp.core.db import db, is_sqlite
from webapp.core.errors import Unavailable
from webapp.core.paging import CAP, Page, PageRequest
from webapp.core.patience import TooLong, cost, patient

#: a workspace of so many contacts is read through in no time
SMALL = 20_000
#: seconds for walking and for counting up to 1,000, and for looking at everybody
WALK_S, COUNT_S, WHOLE_S = 0.06, 0.04, 10.0
#: what PostgreSQL expects to be dearer is not taken at once
MOST_COST = 15_000
#: so many are taken at most
FEW = 5000


def sought(query: Select[Any], one_by_one: Select[Any], asked: PageRequest, by: Any = None) -> Page[Any]:
    """The page of a SELECT of `walking.ROW`, as of the last commit. total: None where counting takes too long

    one_by_one  the same as it is asked of contacts that are walked (`filters.walked`)
    by          see `walking.walked`
    raises      Invalid; Unavailable where looking at everybody takes longer than WHOLE_S
    """
    ids = query.with_only_columns(Contact.id)
    few = None if is_sqlite() else _if_cheap(ids)
    if few is None:
        try:
            with patient(WALK_S) as connection:
                page = walked(one_by_one, asked, by, connection.execute)
            return _counted(page, one_by_one.with_only_columns(Contact.id))
        except TooLong:
            pass
        try:
            few = _taken(ids, WHOLE_S)
            if few is None:
                return _counted(_of_everybody(ids, asked), ids)
        except TooLong:
            text = "Finding these contacts takes too long."
            raise Unavailable(text, hint="Add something that leaves fewer of them, such as a tag, and try again.") from None
    page = walked(_rows(few), asked)
    page.total = len(few)
    return page


def _rows(ids: list[int]) -> Select[Any]:
    found: Any = select(*ROW)
    query: Select[Any] = found.where(among(Contact.id, ids))
    return query


def _if_cheap(ids: Select[Any]) -> list[int] | None:
    """All who fit, where PostgreSQL expects that to be little work and they are few."""
    try:
        with patient(WALK_S) as connection:
            if cost(connection, ids) > MOST_COST:
                return None
    except TooLong:
        return None
    try:
        return _taken(ids, WALK_S)
    except TooLong:
        return None


def _taken(ids: Select[Any], seconds: float) -> list[int] | None:
    """All who fit; None where they are more than FEW. raises TooLong"""
    with patient(seconds) as connection:
        found = list(connection.scalars(ids.limit(FEW + 1)))
    return found if len(found) <= FEW else None


def _of_everybody(ids: Select[Any], asked: PageRequest) -> Page[Any]:
    """Everybody who fits is put aside before they are sorted, or a planner would walk the list again. raises TooLong"""
    order = order_of(asked)
    beyond = order.beyond(order.columns())
    hits: Any = ids if beyond is None else ids.where(beyond)
    aside = hits.with_only_columns(Contact.id.label("hit"), order.column.label("place")).cte("hits").prefix_with("MATERIALIZED")
    first = select(aside.c.hit).order_by(*order.sorted([aside.c.place, aside.c.hit]))
    with patient(WHOLE_S) as connection:
        found = list(connection.scalars(first.limit(asked.per_page + 1).offset(start_of(asked, order))))
    rows = {row.id: row for row in db.session.execute(_rows(found))}
    return page_of([rows[one] for one in found if one in rows], asked, order)


def _counted(page: Page[Any], ids: Select[Any]) -> Page[Any]:
    """The same page with its total, as far as that is known soon."""
    if page.page == 1 and not page.has_more:
        page.total = len(page.items)
        return page
    some = ids.limit(CAP + 1).subquery()
    try:
        with patient(COUNT_S) as connection:
            number = connection.scalar(select(func.count()).select_from(some)) or 0
    except TooLong:
        return page
    page.total, page.total_is_capped = min(number, CAP), number > CAP
    return page
