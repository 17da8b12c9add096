"""The database: one `db`, column types, mixins, and what makes SQLite and PostgreSQL behave alike.

SQLite (one file, many processes): autocommit driver mode, WAL, `synchronous=FULL`, foreign keys, and our own BEGIN: IMMEDIATE
for everything that may write, so that two writers queue instead of failing half-way; plain BEGIN inside `reading()`.
PostgreSQL: READ COMMITTED; whoever reads to write takes the row with `FOR UPDATE`.

A request, job or command owns one session (`db.session`) and commits at its edge (`core.web`, `webapp.worker`, `core.edge`).
"""

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson
from flask import current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Engine, ForeignKey, Integer, MetaData, String, Text, event, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler, SQLiteDialect
from sqlalchemy.engine import Connection
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column, registry
from sqlalchemy.types import TypeDecorator

from webapp.core import secrets

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
BigInt = BigInteger().with_variant(Integer, "sqlite")
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class UTCDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, on both databases; SQLite keeps it as naive UTC text with microseconds, which sorts."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime: every time in the database is aware")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """SQLite's text in one step; lists read two times a row."""
        return _utc_from_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _utc_from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value + "+00:00")


class Secret(TypeDecorator[str]):
    """A text that is encrypted at rest with the installation's key (`core.secrets`)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else secrets.encrypt(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else secrets.decrypt(value)


class Base(DeclarativeBase):
    """Models inherit from this one directly; `db.Model` is not used."""

    registry = registry(
        metadata=MetaData(naming_convention=NAMES),
        type_annotation_map={int: BigInt, str: String, datetime: UTCDateTime, dict[str, Any]: Json, list[Any]: Json},
    )


db = SQLAlchemy(
    model_class=Base,
    session_options={"expire_on_commit": False},
    engine_options={"json_serializer": lambda value: orjson.dumps(value).decode(), "json_deserializer": orjson.loads},
)


class Timestamps:
    #: when the row was made, UTC
    created_at: Mapped[datetime] = mapped_column(default=lambda: utcnow())
    #: when the row was last changed, UTC
    updated_at: Mapped[datetime] = mapped_column(default=lambda: utcnow(), onupdate=lambda: utcnow())


class InWorkspace:
    """Everything below a workspace belongs to exactly one; look rows up through `core.lookup`, never by bare id."""

    @declared_attr
    def workspace_id(cls) -> Mapped[int]:
        return mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), index=True)


class Trashable:
    #: set when the row goes to the trash; it is 404 from then on and comes back within 30 days (`core.trash`)
    deleted_at: Mapped[datetime | None] = mapped_column(default=None)


# --- SQLite: how transactions begin ------------------------------------------------------------------

class _Compiler(SQLiteCompiler):
    """Writes what `with_hint(table, "INDEXED BY …", "sqlite")` says behind the name of the table; SQLAlchemy's own leaves it out."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:
        return text


SQLiteDialect.statement_compiler = _Compiler
#: how long a statement waits for somebody else's lock before it fails with "database is locked"
BUSY_MS = 10_000
#: pauses between two looks whether the write lock is free, in seconds
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.0005, 0.005
_reading: ContextVar[bool] = ContextVar("mailroom_reading", default=False)


@contextmanager
def reading() -> Iterator[None]:
    """Transactions that begin inside only read: on SQLite they take no write lock (plain BEGIN, a stable snapshot)."""
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)


@contextmanager
def writing() -> Iterator[None]:
    """The opposite of `reading`, for a short write inside a reading request."""
    token = _reading.set(False)
    try:
        yield
    finally:
        _reading.reset(token)


def begin_reading() -> None:
    """Mark the rest of this context (a GET request) as reading."""
    _reading.set(True)


def begin_writing() -> None:
    _reading.set(False)


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, _record: Any) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    connection.isolation_level = None
    cursor = connection.cursor()
    if cursor.execute("PRAGMA page_count").fetchone()[0] == 0:  # a new file; later it would need the whole file written anew
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
    for pragma in (
        f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON",
        "cache_size=-65536", "mmap_size=1073741824", "temp_store=MEMORY",
        "wal_autocheckpoint=4000",  # 16 MB: pages that many transactions touch go back into the file once, not after each few of them
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@event.listens_for(Engine, "begin")
def _begin_sqlite(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.dbapi_connection
        if _reading.get():  # waits for nobody, so it needs no translation of errors, which costs more than the statement
            driver.execute("BEGIN")
            return
        driver.execute("PRAGMA busy_timeout=0")
        try:
            if not _take_write_lock(driver):
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # fails in the words that SQLAlchemy has for it
        finally:
            driver.execute(f"PRAGMA busy_timeout={BUSY_MS}")


def _take_write_lock(driver: sqlite3.Connection) -> bool:
    """Begin a transaction that writes; False when that does not work, or not in time.

    SQLite's own waiting sleeps for ever longer, up to 100 ms, while others who came later pass by: under a steady load of short
    transactions that, and not the work, is what a request waits for.
    """
    pause, ends = FIRST_PAUSE_S, time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            driver.execute("BEGIN IMMEDIATE")
            return True
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > ends:
                return False
        time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
        pause = min(pause * 1.5, LONGEST_PAUSE_S)


# --- small helpers ------------------------------------------------------------------------------------


def utcnow() -> datetime:
    return datetime.now(UTC)


def is_sqlite() -> bool:
    return db.engine.dialect.name == "sqlite"


def database_now() -> datetime:
    """The clock that leases go by: the database's where it is shared, this machine's for SQLite."""
    if is_sqlite():
        return utcnow()
    moment: datetime = db.session.execute(select(text("clock_timestamp()"))).scalar_one()
    return moment


@contextmanager
def fresh_session() -> Iterator[None]:
    """A short transaction of its own: `db.session` inside is another one, committed at the end, rolled back on an exception.

    For rows that must survive a refusal (failed sign-ins, audit rows of refused attempts). On SQLite the outer session must not
    hold the write lock: end it first (`db.session.rollback()`).
    """
    with current_app._get_current_object().app_context(), writing():  # type: ignore[attr-defined]
        try:
            yield
            db.session.commit()
        except BaseException:
            db.session.rollback()
            raise
