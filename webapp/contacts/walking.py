"""One page of contacts down an index: columns of a row, orders, cursors.

Ids are given in the order of creation, so the newest first is a walk down the primary key. Pages go on by cursor; numbers up to 100 work
too.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, tuple_

from webapp.contacts.models import Contact
from webapp.core.db import db
from webapp.core.errors import Invalid, invalid
from webapp.core.paging import DEEPEST_PAGE, Page, PageRequest

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


@dataclass(frozen=True)
class Order:
    """What a page is sorted by, whether that falls, and the position behind which it begins."""

    name: str
    column: Any
    falling: bool
    position: list[Any] | None

    def columns(self, by: Any = None) -> list[Any]:
        """Columns of the order, the last one unique. by: a column that says the same as the id, of a table that is walked instead"""
        unique = Contact.id if by is None else by
        return [unique] if self.column is Contact.id else [self.column, unique]

    def sorted(self, keys: list[Any]) -> list[Any]:
        return [key.desc() if self.falling else key.asc() for key in keys]

    def beyond(self, keys: list[Any]) -> ColumnElement[bool] | None:
        """The condition of a page behind a cursor."""
        if self.position is None:
            return None
        here: Any = keys[0] if len(keys) == 1 else tuple_(*keys)
        there: Any = self.position[0] if len(keys) == 1 else tuple_(*self.position)
        condition: ColumnElement[bool] = here < there if self.falling else here > there
        return condition


def order_of(asked: PageRequest) -> Order:
    """raises Invalid for an order that there is not, or a cursor that is not ours"""
    if asked.cursor:
        name, falling, position = _read(asked.cursor)
        return Order(name, COLUMNS[name], falling, position)
    name = asked.sort_by or "created_at"
    if name not in COLUMNS:
        raise invalid("sort_by", f"Cannot sort by {name!r}; choose one of {', '.join(sorted(SORTABLE))}.")
    return Order(name, COLUMNS[name], (name in FALLING) if asked.descending is None else asked.descending, None)


def start_of(asked: PageRequest, order: Order) -> int:
    """How many rows of a numbered page are passed over. raises Invalid beyond 100"""
    if order.position is not None:
        return 0
    if asked.page > DEEPEST_PAGE:
        raise invalid("page", f"Pages go up to {DEEPEST_PAGE}; go on with the cursor in meta.next_cursor.")
    return (asked.page - 1) * asked.per_page


def walked(query: Select[Any], asked: PageRequest, by: Any = None, execute: Callable[[Select[Any]], Any] | None = None) -> Page[Any]:
    """One page of a SELECT of columns of contacts, in the order asked for, without a total.

    by       a column that equals the id, of a joined table whose index is to be walked instead
    execute  of the connection that is to answer; that of the session if it is left out
    raises   Invalid
    """
    order = order_of(asked)
    keys = order.columns(by)
    beyond = order.beyond(keys)
    if beyond is not None:
        query = query.where(beyond)
    query = query.order_by(*order.sorted(keys)).limit(asked.per_page + 1).offset(start_of(asked, order))
    return page_of(list((execute or db.session.execute)(query)), asked, order)


def page_of(rows: list[Any], asked: PageRequest, order: Order) -> Page[Any]:
    """The page that these rows are, which may be one more than it holds."""
    more = len(rows) > asked.per_page
    rows = rows[: asked.per_page]
    cursor = _write(order.name, order.falling, [getattr(rows[-1], key.key) for key in order.columns()]) if more else None
    return Page(rows, asked.per_page, asked.page if order.position is None else None, None, False, more, cursor, keyset=True)


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
