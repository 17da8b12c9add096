"""Finding messages that no index leads to, in bounded steps.

Two sources of ids, newest or oldest first: a walk down an index of the list (`base`), or hits of the search index. What else was asked
for (`extra`) is checked on a piece of them at a time. A page that is not full after MOST_LOOKED rows is answered as it is, with a cursor
that goes on from there: no request looks further, whatever is asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson
from sqlalchemy import ColumnElement, bindparam, func, select, text

from webapp.core.db import db, is_sqlite
from webapp.messages.index import Hits
from webapp.messages.models import Message

#: rows that one page may look at, and that counting looks at
MOST_LOOKED, MOST_COUNTED = 100_000, 20_000
FIRST_WINDOW, WINDOW = 2_000, 20_000
FIRST_HITS, MOST_HITS = 32, 4_000
CHUNK = 256


@dataclass
class Scan:
    """One way through the messages of a list.

    base   conditions that an index serves
    extra  conditions that are checked row by row
    hits   of the search index, in place of the walk
    """

    base: list[ColumnElement[bool]]
    extra: list[ColumnElement[bool]] = field(default_factory=list)
    hits: Hits | None = None
    newest: bool = True
    #: whether the hits need no check, because nothing but their terms was asked for
    plain: bool = False
    #: where the last walk gave up; None: it came to the end
    gave_up_at: int | None = None

    def ids(self, beyond: int | None, most_looked: int = MOST_LOOKED) -> Iterator[int]:
        """Ids that fulfil everything, beyond an id, until the end or until `most_looked` rows were looked at (`gave_up_at`)."""
        self.gave_up_at = None
        return self._from_hits(self.hits, beyond, most_looked) if self.hits else self._from_walk(beyond, most_looked)

    def take(self, beyond: int | None, number: int, skip: int = 0) -> list[int]:
        if self.hits and self.plain:
            self.gave_up_at = None
            return self.hits.take(beyond, skip + number, self.newest)[skip:]
        return list(islice(self.ids(beyond), skip, skip + number))

    def count(self, cap: int) -> tuple[int, bool]:
        """(number, whether there may be more), from the beginning of the list."""
        if self.hits and self.plain:
            return self.hits.count(cap)
        found = sum(1 for _ in islice(self.ids(None, MOST_COUNTED), cap + 1))
        return min(found, cap), found > cap or self.gave_up_at is not None

    def _from_hits(self, hits: Hits, beyond: int | None, most_looked: int) -> Iterator[int]:
        number, looked = FIRST_HITS, 0
        while ids := hits.take(beyond, number, self.newest):
            query = select(Message.id).where(among(ids), *self.base, *self.extra)
            yield from db.session.scalars(query.order_by(self._order()))
            beyond, looked = ids[-1], looked + len(ids)
            if len(ids) < number:
                return
            if looked >= most_looked:
                self.gave_up_at = beyond
                return
            number = min(number * 4, MOST_HITS)

    def _from_walk(self, beyond: int | None, most_looked: int) -> Iterator[int]:
        size, looked = FIRST_WINDOW, 0
        while True:
            ahead = self._beyond(select(Message.id).where(*self.base), beyond)
            edge = db.session.scalar(ahead.order_by(self._order()).offset(size - 1).limit(1))
            yield from self._window(beyond, edge)
            looked += size
            if edge is None:
                return
            beyond = edge
            if looked >= most_looked:
                self.gave_up_at = edge
                return
            size = WINDOW

    def _window(self, beyond: int | None, edge: int | None) -> Iterator[int]:
        """What fulfils everything between two ids (the second included)."""
        while True:
            query = self._beyond(select(Message.id).where(*self.base, *self.extra), beyond)
            if edge is not None:
                query = query.where(Message.id >= edge if self.newest else Message.id <= edge)
            ids = list(db.session.scalars(query.order_by(self._order()).limit(CHUNK)))
            yield from ids
            if len(ids) < CHUNK:
                return
            beyond = ids[-1]

    def _beyond(self, query: Any, beyond: int | None) -> Any:
        if beyond is None:
            return query
        return query.where(Message.id < beyond if self.newest else Message.id > beyond)

    def _order(self) -> Any:
        return Message.id.desc() if self.newest else Message.id.asc()


def among(ids: list[int]) -> ColumnElement[bool]:
    """`messages.id` is one of these; one parameter however many they are."""
    if is_sqlite():
        listed = func.json_each(orjson.dumps(ids).decode()).table_valued("value")
        return Message.id.in_(select(listed.c.value))
    return text("messages.id = ANY(:among)").bindparams(bindparam("among", ids))  # type: ignore[return-value]
