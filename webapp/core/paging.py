"""Lists: page numbers for what stays small, keyset cursors for what grows; sorting; totals that never count far.

`Page` is what services answer for both kinds; `core.rest` and the pager macro read it.
"""

import base64
import binascii
import math
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Generic, TypeVar

import orjson
from sqlalchemy import ColumnElement, Dialect, Engine, Select, and_, bindparam, func, or_, select
from sqlalchemy.engine import Connection

from webapp.core.db import db
from webapp.core.errors import Invalid, invalid
from webapp.core.swift import Swift

Item = TypeVar("Item")
CAP = 1000
DEEPEST_PAGE = 100


@dataclass(frozen=True)
class PageRequest:
    """What a caller asked for. `cursor` wins over `page`; `sort_by` None is the list's own order."""

    page: int = 1
    per_page: int = 25
    cursor: str | None = None
    sort_by: str | None = None
    descending: bool | None = None


@dataclass
class Page(Generic[Item]):
    items: list[Item]
    per_page: int
    page: int | None = 1
    total: int | None = None
    total_is_capped: bool = False
    has_more: bool = False
    next_cursor: str | None = None
    prev_cursor: str | None = None
    #: whether the list is paged by cursor
    keyset: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def last_page(self) -> int | None:
        if self.total is None:
            return None
        return max(1, math.ceil(self.total / self.per_page))


def capped_count(query: Select[Any], cap: int = CAP) -> tuple[int, bool]:
    """How many rows a query has, counted up to `cap`: (number, whether there are more)."""
    inner = query.order_by(None).limit(cap + 1)
    number = db.session.scalar(select(func.count()).select_from(inner.subquery())) or 0
    return min(number, cap), number > cap


def sliced(items: list[Any], asked: PageRequest) -> Page[Any]:
    """One numbered page of a short list that is all there already."""
    start = (asked.page - 1) * asked.per_page
    end = start + asked.per_page
    return Page(items[start:end], asked.per_page, asked.page, len(items), has_more=end < len(items))


def paginate(
    query: Select[Any],
    asked: PageRequest,
    *,
    sortable: dict[str, Any],
    default: str,
    tie: Any,
    total: int | None = None,
    descending: bool = False,
    scalars: bool = True,
) -> Page[Any]:
    """One numbered page.

    sortable   wire name -> column; `default` is one of its names; `tie` the id column that makes the order total
    total      exact total from a counter, when there is no filter; else counted up to 1,000
    scalars    the query selects one entity; False when it selects columns, which is twice as fast for a list that is only shown
    raises     Invalid for an unknown sort_by
    """
    name = asked.sort_by or default
    if name not in sortable:
        raise invalid("sort_by", f"Cannot sort by {name!r}; choose one of {', '.join(sorted(sortable))}.")
    backwards = descending if asked.descending is None else asked.descending
    column = sortable[name]
    order = (column.desc(), tie.desc()) if backwards else (column.asc(), tie.asc())
    result = db.session.execute(query.order_by(*order).limit(asked.per_page + 1).offset((asked.page - 1) * asked.per_page))
    rows = list(result.unique().scalars()) if scalars else list(result)
    capped = False
    if total is None:
        if asked.page == 1 and len(rows) <= asked.per_page:
            total = len(rows)
        else:
            total, capped = capped_count(query)
    return Page(rows[: asked.per_page], asked.per_page, asked.page, total, capped, has_more=len(rows) > asked.per_page)


def keyset(
    query: Select[Any],
    asked: PageRequest,
    *,
    keys: list[Any],
    total: int | None = None,
    count: bool = True,
    scalars: bool = True,
    newest_first: bool = True,
) -> Page[Any]:
    """One page by cursor, or by number up to page 100 for programs that insist.

    keys       columns of the order, the last one unique (usually [Model.id]); all run in the same direction
    scalars    the query selects one entity; False when it selects columns (rows come back with attributes named like keys)
    raises     Invalid for a cursor that is not ours and for pages beyond 100
    """
    if asked.descending is not None and asked.cursor is None:
        newest_first = asked.descending
    position, newest_first = _read_cursor(asked.cursor, len(keys), newest_first)
    bounded = query if position is None else query.where(_after(keys, position, newest_first))
    bounded = bounded.order_by(*[key.desc() if newest_first else key.asc() for key in keys]).limit(asked.per_page + 1)
    if position is None and asked.page > 1:
        if asked.page > DEEPEST_PAGE:
            raise invalid("page", f"Pages go up to {DEEPEST_PAGE}; go on with the cursor in meta.next_cursor.")
        bounded = bounded.offset((asked.page - 1) * asked.per_page)
    result = db.session.execute(bounded)
    rows = list(result.scalars()) if scalars else list(result)
    more = len(rows) > asked.per_page
    rows = rows[: asked.per_page]
    capped = False
    if total is None and count:
        if position is None and asked.page == 1 and not more:
            total = len(rows)
        else:
            total, capped = capped_count(query)
    next_cursor = _write_cursor([getattr(rows[-1], key.key) for key in keys], newest_first) if more and rows else None
    return Page(rows, asked.per_page, asked.page if position is None else None, total, capped, more, next_cursor, keyset=True)


class Walk:
    """A keyset list that is asked for so often that its statements are made once; what differs are bind parameters.

    ids     a SELECT of the unique column of order alone, which an index serves. PostgreSQL chooses the page by it and then reads its
            rows (it would else rather walk a whole table in which it hopes to meet them soon); SQLite takes the index anyway, and
            reads the rows as it walks
    rows    a SELECT of columns of tables (not of attributes of models, which cost twice as much to read)
    key     the column of order as it stands in both
    """

    def __init__(self, ids: Select[Any], rows: Select[Any], key: Any) -> None:
        self.key = key
        self.statements: dict[tuple[bool, bool, bool], Select[Any]] = {}
        bound: Any = bindparam("walk_from", type_=key.type)
        most: Any = bindparam("walk_most")
        for newest, after in product((True, False), repeat=2):
            order = key.desc() if newest else key.asc()
            chosen = ids.where(key < bound if newest else key > bound) if after else ids
            page = chosen.order_by(order).limit(most).subquery()
            straight = rows if chosen.whereclause is None else rows.where(chosen.whereclause)
            self.statements[newest, after, False] = rows.join(page, page.c[key.key] == key).order_by(order)
            self.statements[newest, after, True] = straight.order_by(order).limit(most)
        self.swift = {chosen: Swift(statement) for chosen, statement in self.statements.items()}

    def page(self, connection: Connection, asked: PageRequest, values: dict[str, Any], total: int | None) -> Page[Any]:
        """The first page, or the one behind a cursor. raises Invalid for a cursor that is not ours"""
        chosen, given = self._asked(asked, values, connection.dialect)
        rows = list(connection.execute(self.statements[chosen], given).fetchall())
        more = len(rows) > asked.per_page
        rows = rows[: asked.per_page]
        cursor = _write_cursor([getattr(rows[-1], self.key.key)], chosen[0]) if more else None
        return Page(rows, asked.per_page, asked.page if not chosen[1] else None, total, False, more, cursor, keyset=True)

    def swift_page(self, engine: Engine, asked: PageRequest, values: dict[str, Any]) -> Page[Any]:
        """The same on a connection of its own, with rows as `core.swift` answers them, and no total."""
        chosen, given = self._asked(asked, values, engine.dialect)
        rows = self.swift[chosen].rows(engine, given)
        more = len(rows) > asked.per_page
        del rows[asked.per_page :]
        cursor = _write_cursor([rows[-1][rows.names.index(self.key.key)]], chosen[0]) if more else None
        return Page(rows, asked.per_page, asked.page if not chosen[1] else None, None, False, more, cursor, keyset=True)

    def _asked(self, asked: PageRequest, values: dict[str, Any], dialect: Dialect) -> tuple[tuple[bool, bool, bool], dict[str, Any]]:
        """Which statement, and its values."""
        position, newest = _read_cursor(asked.cursor, 1, asked.descending is not False)
        given = {**values, "walk_most": asked.per_page + 1}
        if position is not None:
            given["walk_from"] = position[0]
        return (newest, position is not None, dialect.name == "sqlite"), given


def _after(keys: list[Any], position: list[Any], backwards: bool) -> ColumnElement[bool]:
    """Row-wise comparison spelled out, so that both databases use the index."""
    if len(keys) == 1:
        one: ColumnElement[bool] = keys[0] < position[0] if backwards else keys[0] > position[0]
        return one
    first, value = keys[0], position[0]
    rest = _after(keys[1:], position[1:], backwards)
    return or_(first < value if backwards else first > value, and_(first == value, rest))


def _write_cursor(position: list[Any], backwards: bool) -> str:
    raw = orjson.dumps([backwards, *position], option=orjson.OPT_UTC_Z)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _read_cursor(cursor: str | None, size: int, backwards: bool) -> tuple[list[Any] | None, bool]:
    if not cursor:
        return None, backwards
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(parts, list) or len(parts) != size + 1 or not isinstance(parts[0], bool):
            raise ValueError
        if not all(type(part) is int and abs(part) < 2**63 for part in parts[1:]):
            raise ValueError
    except (ValueError, binascii.Error, orjson.JSONDecodeError):
        raise Invalid("This cursor is not one of ours.", fields={"cursor": ["Take it unchanged from meta.next_cursor."]}) from None
    return parts[1:], parts[0]


#: for lists that find their rows in another way
read_cursor, write_cursor = _read_cursor, _write_cursor
