"""A SELECT that is asked for so often that only the driver runs it: compiled once for each database, its rows kept as they come.

    found = Swift(query).rows(db.engine, {"mailbox_id": 7})        query selects columns of tables; values by name of their bindparam
    found.names, found.readers                                     what `core.shapes` needs to write the rows as dictionaries

Through SQLAlchemy the same list of 25 costs three times as much, most of it for results that nobody asks anything of.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Select

Reader = Callable[[Any], Any]


@dataclass(frozen=True)
class Ready:
    """A statement in one database's words. `order`: the names of its values where the driver takes them by place."""

    text: str
    fixed: dict[str, Any]
    order: tuple[str, ...] | None
    names: tuple[str, ...]
    readers: tuple[Reader | None, ...]


class Rows(list[tuple[Any, ...]]):
    """Rows as the driver gave them; `readers` make values of what a column holds (None: it is one already)."""

    def __init__(self, rows: list[tuple[Any, ...]], ready: Ready) -> None:
        super().__init__(rows)
        self.ready = ready

    @property
    def names(self) -> tuple[str, ...]:
        return self.ready.names

    @property
    def readers(self) -> tuple[Reader | None, ...]:
        return self.ready.readers


class Swift:
    """One statement. Its values need no making either: whole numbers and texts."""

    def __init__(self, query: Select[Any]) -> None:
        self.query = query
        self._ready: dict[str, Ready] = {}

    def rows(self, engine: Engine, values: dict[str, Any]) -> Rows:
        """All rows, in a transaction of their own that ends before this returns."""
        ready = self._ready.get(engine.dialect.name) or self._prepare(engine)
        given: Any = {**ready.fixed, **values}
        connection = engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(ready.text, given if ready.order is None else [given[name] for name in ready.order])
            return Rows(list(cursor.fetchall()), ready)
        finally:
            connection.close()

    def _prepare(self, engine: Engine) -> Ready:
        dialect = engine.dialect
        compiled = self.query.compile(dialect=dialect)
        columns = list(self.query.selected_columns)
        readers = tuple(column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns)
        order: Any = getattr(compiled, "positiontup", None)
        names = tuple(str(column.key) for column in columns)
        made = Ready(str(compiled), dict(compiled.params), tuple(order) if order else None, names, readers)
        return self._ready.setdefault(dialect.name, made)
