"""Rows that go in by the hundred, without the mapper: the statement is compiled once, each row costs a handful of conversions.

    take_ids(Message, 20)                                the next ids, so that rows that point at each other need no second question
    Insert(Message, ("id", "subject"), seen=False)       rows of these columns; what is the same for all is said once
        .run([{"id": 7, "subject": "Hello"}])            says how many went in

Objects of the session are not told. Columns that may not be empty and are not named get the model's default, when that is a constant.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from webapp.core.db import db, is_sqlite

Make = Callable[[Any], Any] | None


class Statement:
    """A statement of Core that is made once for each database, and run on SQLite by its driver directly: there the way through the
    toolkit costs more than the statement.

    make  the name of the database -> the statement
    """

    def __init__(self, make: Callable[[str], Any]) -> None:
        self.make = make
        self._made: dict[str, tuple[Any, str, list[tuple[str, Make]]]] = {}

    def many(self, rows: Sequence[dict[str, Any]], session: Any = None) -> None:
        """For each of these values."""
        connection = (session or db.session).connection()
        statement, text_, order = self._for(connection.dialect, rows[0])
        if connection.dialect.name == "sqlite":
            _many(connection, text_, [[row[name] if make is None else make(row[name]) for name, make in order] for row in rows])
        else:
            connection.execute(statement, rows)

    def fetch(self, values: dict[str, Any]) -> Sequence[Any]:
        """The rows."""
        connection = db.session.connection()
        statement, text_, order = self._for(connection.dialect, values)
        if connection.dialect.name != "sqlite":
            return connection.execute(statement, values).all()
        try:
            driver: Any = connection.connection.dbapi_connection
            found = driver.execute(text_, [values[name] if make is None else make(values[name]) for name, make in order]).fetchall()
        except sqlite3.Error as error:
            raise OperationalError(text_, None, error) from error
        return found

    def _for(self, dialect: Any, values: dict[str, Any]) -> tuple[Any, str, list[tuple[str, Make]]]:
        found = self._made.get(dialect.name)
        if found is None:
            statement = self.make(dialect.name)
            made = statement.compile(dialect=dialect, column_keys=list(values))
            order = [(name, _maker(made.binds[name].type, dialect)) for name in made.positiontup or ()]
            fixed = [name for name, _ in order if name not in values]
            if fixed:
                raise ValueError(f"write constants of a statement as literals: {fixed}")
            found = self._made[dialect.name] = statement, str(made), order
        return found


def _maker(kind: Any, dialect: Any) -> Make:
    maker: Make = kind.dialect_impl(dialect).bind_processor(dialect)
    return maker


def _converted(make: Callable[[Any], Any], values: list[Any]) -> list[Any]:
    """Each converted; the same object in a row of rows only once."""
    last = made = object()
    found = []
    for value in values:
        if value is not last:
            last, made = value, make(value)
        found.append(made)
    return found


def _many(connection: Any, statement: str, rows: Sequence[Sequence[Any]]) -> int:
    """Run it for all rows; says how many it touched."""
    if connection.dialect.name != "sqlite":
        return int(connection.exec_driver_sql(statement, rows).rowcount)
    try:
        return int(connection.connection.dbapi_connection.executemany(statement, rows).rowcount)
    except sqlite3.IntegrityError as error:
        raise IntegrityError(statement, None, error) from error
    except sqlite3.Error as error:
        raise OperationalError(statement, None, error) from error


def take_ids(model: Any, number: int) -> list[int]:
    """Ids that nobody else gets. On SQLite they follow the highest one, which the write lock of the transaction keeps still."""
    if is_sqlite():
        highest = f"SELECT coalesce(max(id), 0) FROM {model.__tablename__}"  # noqa: S608 - a name of our own
        last = db.session.connection().connection.dbapi_connection.execute(highest).fetchone()[0]  # type: ignore[union-attr]
        return list(range(last + 1, last + 1 + number))
    sequence = func.pg_get_serial_sequence(model.__tablename__, "id")
    return list(db.session.scalars(select(func.nextval(sequence)).select_from(text(f"generate_series(1, {int(number)})"))))


class Insert:
    """An INSERT of these columns and of what is the `same` for all rows; `unless`: a unique column whose known values are left out."""

    def __init__(self, model: Any, names: Sequence[str], unless: str | None = None, **same: Any) -> None:
        self.table, self.names, self.unless = model.__table__, tuple(names), unless
        self.same = {**_defaults(self.table, {"id", *names}), **same}
        self._made: dict[str, tuple[str, list[Make], list[Any]]] = {}

    def run(self, rows: Sequence[dict[str, Any]]) -> int:
        """How many went in."""
        if not rows:
            return 0
        connection = db.session.connection()
        statement, makers, same = self._made.get(connection.dialect.name) or self._prepare(connection.dialect)
        columns = zip(self.names, makers, strict=True)
        values = [[row[name] for row in rows] if make is None else _converted(make, [row[name] for row in rows]) for name, make in columns]
        return _many(connection, statement, [(*row, *same) for row in zip(*values, strict=True)])

    def _prepare(self, dialect: Any) -> tuple[str, list[Make], list[Any]]:
        names = [*self.names, *self.same]
        makers = [_maker(self.table.c[name].type, dialect) for name in names]
        marks = ", ".join(["?" if dialect.name == "sqlite" else "%s"] * len(names))
        statement = f"INSERT INTO {self.table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - names of our own
        if self.unless:
            statement += f" ON CONFLICT ({self.unless}) DO NOTHING"
        constants = zip(makers[len(self.names) :], self.same.values(), strict=True)
        made = statement, makers[: len(self.names)], [value if make is None else make(value) for make, value in constants]
        self._made[dialect.name] = made
        return made


def _defaults(table: Any, named: set[str]) -> dict[str, Any]:
    """What the columns hold that may not be empty and are not named. raises ValueError for one whose default is no constant"""
    found: dict[str, Any] = {}
    for column in table.c:
        if column.nullable or column.name in named or column.server_default is not None:
            continue
        default = column.default
        value = None if default is None else default.arg if default.is_scalar else default.arg(None)
        if not isinstance(value, str | int | list | dict):
            raise ValueError(f"{table.name}.{column.name} has no constant default and must be named")
        found[column.name] = value
    return found
