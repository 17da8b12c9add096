"""How many contacts a tree chooses, and some of them, within a bounded time whatever the tree is.

The exact count gets PATIENCE_S. What takes longer is estimated: random windows of contacts are asked, small ones first, until ESTIMATE_S
are over, and the share of those chosen is taken for the whole. Each question runs on a connection of its own with a limit set on it, so
that giving one up leaves the transaction of the caller alone.
"""

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select, text, union_all
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from webapp.contacts.models import Contact
from webapp.core import counters
from webapp.core.db import db, is_sqlite, reading
from webapp.segments.compile import condition
from webapp.segments.language import Tree

PATIENCE_S, ESTIMATE_S, SAMPLE_S = 0.15, 0.06, 0.08
#: the first question of an estimate may take longer, so that there is always an answer
FIRST_S = 0.25
#: contacts in a window of the first question, and in later ones; windows in one question, most questions
FIRST, WINDOW, WINDOWS, MOST_ROUNDS = 50, 500, 8, 12
#: steps of SQLite between two looks at the clock
STEPS = 1000
SAMPLE = 10


class TooLong(Exception):
    """The question was given up."""


@dataclass(frozen=True)
class Count:
    """How many; when it is not exact, about how many."""

    count: int
    is_exact: bool


def count(workspace_id: int, tree: Tree, patience_s: float = PATIENCE_S) -> Count:
    """How many contacts of the workspace a checked tree chooses, as of the last commit."""
    chosen = select(func.count()).select_from(Contact).where(Contact.workspace_id == workspace_id, condition(workspace_id, tree))
    try:
        with patient(patience_s) as connection:
            return Count(connection.scalar(chosen) or 0, True)
    except TooLong:
        return Count(_estimated(workspace_id, condition(workspace_id, tree, few=True)), False)


def sample(workspace_id: int, tree: Tree, columns: tuple[Any, ...], patience_s: float = SAMPLE_S) -> list[Any] | None:
    """Up to ten of them, whichever are found first; None when finding them takes too long."""
    query = select(*columns).where(Contact.workspace_id == workspace_id, condition(workspace_id, tree)).limit(SAMPLE)
    try:
        with patient(patience_s) as connection:
            return sorted(connection.execute(query), key=lambda row: -row.id)
    except TooLong:
        return None


def _estimated(workspace_id: int, wanted: ColumnElement[bool], patience_s: float = ESTIMATE_S) -> int:
    """The share of the chosen among the contacts of random windows, times all."""
    ends, total = time.monotonic() + patience_s, counters.read(workspace_id, Contact.__tablename__)
    mine = Contact.workspace_id == workspace_id
    edges = [select(edge(Contact.id)).where(mine).scalar_subquery() for edge in (func.min, func.max)]
    seen = found = 0
    with reading(), db.engine.connect() as connection:
        first, last = connection.execute(select(*edges)).one()  # in one SELECT they make SQLite read all ids
        for round_ in range(MOST_ROUNDS if first is not None else 0):
            left = ends - time.monotonic()
            if round_ and left <= 0:
                break
            starts = [random.randint(first, last) for _ in range(WINDOWS)]  # noqa: S311
            try:
                with limited(connection, left if round_ else FIRST_S):
                    windows = connection.execute(_windows(workspace_id, starts, min(WINDOW, FIRST * 2**round_))).all()
                    inside = or_(*[and_(Contact.id >= row.first, Contact.id <= row.last) for row in windows])
                    chosen = func.count(case((wanted, 1)))  # windows may overlap, so both numbers come from the same rows
                    asked = select(func.count(), chosen).select_from(Contact).where(mine, inside)
                    looked, fitted = connection.execute(asked).one()
            except TooLong:
                break
            seen, found = seen + looked, found + fitted
    return _rounded(found * total / seen) if seen else 0


def _windows(workspace_id: int, starts: list[int], size: int) -> Any:
    """First and last id of the contacts that follow each start; both NULL where none does."""
    each = []
    for start in starts:
        behind = select(Contact.id).where(Contact.workspace_id == workspace_id, Contact.id >= start)
        ids = behind.order_by(Contact.id).limit(size).subquery()
        each.append(select(func.min(ids.c.id).label("first"), func.max(ids.c.id).label("last")))
    return union_all(*each)


def _rounded(number: float) -> int:
    """No more digits than an estimate has: two."""
    whole = round(number)
    return whole if whole < 100 else round(whole, 2 - len(str(whole)))


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
        ends = time.monotonic() + seconds
        driver.set_progress_handler(lambda: time.monotonic() > ends, STEPS)
        try:
            yield
        except OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                raise TooLong from None
            raise
        finally:
            driver.set_progress_handler(None, 0)
        return
    # compiling a plan to machine code takes longer than these questions may
    limit = f"{max(1, round(seconds * 1000))}ms"
    connection.execute(text("SELECT set_config('statement_timeout', :limit, true), set_config('jit', 'off', true)"), {"limit": limit})
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == "57014":
            raise TooLong from None
        raise
