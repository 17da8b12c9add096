"""Questions to the database that may take only so long, and what they would cost.

    with patient(0.1) as connection: connection.execute(…)      on a connection of its own; the caller's transaction is left alone
    with limited(connection, 0.1): …                            on one that is there; on PostgreSQL its transaction is over then
    cost(connection, query)                                     what PostgreSQL expects, in its own units

Only PostgreSQL's planner says beforehand what it expects, so that hopeless questions need not be tried.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Select, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.elements import ClauseElement

from webapp.core.db import db, is_sqlite, reading

#: steps of SQLite between two looks at the clock
STEPS = 1000
#: compiling a plan to machine code takes longer than these questions may
LIMITS = text("SELECT set_config('statement_timeout', :limit, true), set_config('jit', 'off', true)")
#: below so many seconds starting workers for a plan takes too long as well
ALONE_S = 1.0
ALONE = text(f"{LIMITS.text}, set_config('max_parallel_workers_per_gather', '0', true)")


class TooLong(Exception):
    """The question was given up."""


class Explained(Executable, ClauseElement):
    """EXPLAIN of a SELECT."""

    inherit_cache = False

    def __init__(self, query: Select[Any]) -> None:
        self.query = query


@compiles(Explained)
def _explain(element: Explained, compiler: Any, **more: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.query, **more)}"


def cost(connection: Connection, query: Select[Any]) -> float:
    """What PostgreSQL expects the whole query to cost; a page read in order is 1, a row looked at 0.01."""
    return float(connection.execute(Explained(query)).scalar_one()[0]["Plan"]["Total Cost"])


@contextmanager
def patient(seconds: float) -> Iterator[Connection]:
    """A reading connection whose statements may take so long. raises TooLong when one takes longer"""
    with reading(), db.engine.connect() as connection, limited(connection, seconds):
        yield connection


@contextmanager
def limited(connection: Connection, seconds: float) -> Iterator[None]:
    """The statements inside may take so long together (SQLite) or each (PostgreSQL), whose transaction is over then. raises TooLong"""
    if is_sqlite():
        driver: Any = connection.connection.dbapi_connection
        driver.set_progress_handler(_clock(seconds), STEPS)
        try:
            yield
        except OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                raise TooLong from None
            raise
        finally:
            driver.set_progress_handler(None, 0)
        return
    connection.execute(ALONE if seconds < ALONE_S else LIMITS, {"limit": f"{max(1, round(seconds * 1000))}ms"})
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == "57014":
            raise TooLong from None
        raise


def _clock(seconds: float) -> Callable[[], bool]:
    """Whether so much time is over since it was first asked: reading a long statement takes its time as well, but asks nobody."""
    ends: float | None = None

    def is_over() -> bool:
        nonlocal ends
        now = time.monotonic()
        ends = now + seconds if ends is None else ends
        return now > ends

    return is_over
