"""Ordinary recipients, found by one statement: the question that is asked most, at RCPT and again when a group is stored.

    find(connection, addresses) -> {normal address: Box}     only addresses that are exactly those of a mailbox that takes mail now
    Quick(engine).takes(address, size)                       the same at RCPT, on a connection of its own, without waiting (SQLite)

Everything else (tags, catch-alls, roles, paused mailboxes, limits, refusals with their words) is `recipients` and `admission`; what is
found here is what they would have said yes to. Nothing is remembered between two questions.
"""

import sqlite3
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Engine, bindparam, func, literal_column, select

from webapp.core.db import is_sqlite
from webapp.core.fast_rows import Statement
from webapp.domains.models import Domain
from webapp.mail.address import BadAddress, normalise
from webapp.mailboxes import limits
from webapp.mailboxes.models import Mailbox


class Box(NamedTuple):
    """What storing needs to know of a mailbox; the limits as `mailboxes.limits` reads them."""

    id: int
    workspace_id: int
    email: str
    verified: bool
    max_message_bytes: int
    storage_limit_bytes: int | None
    total_limit: int | None
    daily_limit: int | None
    hourly_limit: int | None

    def takes(self, size_bytes: int, trusted: bool) -> bool:
        """Whether a mail of this size is surely taken; False: the long way decides, and has the words."""
        return (bool(self.verified) or trusted) and size_bytes <= self.max_message_bytes and not limits.has_any(self)


@lru_cache(8192)
def normal(address: str) -> str | None:
    """The address in its normal form; None for what is none."""
    try:
        return normalise(address)
    except BadAddress:
        return None


_ACTIVE: Any = literal_column("'active'")
_HERE: Any = literal_column("'trekmail'")
_COLUMNS = (
    Mailbox.id, Mailbox.workspace_id, Mailbox.email, (Domain.verified_at.is_not(None) & (Domain.status == _ACTIVE)).label("verified"),
    Mailbox.max_message_bytes, Mailbox.storage_limit_bytes, Mailbox.total_limit, Mailbox.daily_limit, Mailbox.hourly_limit,
)  # fmt: skip


def _taking(which: Any) -> Any:
    domain = (Domain.id == Mailbox.domain_id) & Domain.deleted_at.is_(None) & (Domain.mail_hosting == _HERE)
    open_now = Mailbox.deleted_at.is_(None), Mailbox.status == _ACTIVE, Mailbox.can_receive
    return select(*_COLUMNS).join(Domain, domain).where(which, *open_now)


_ONE = _taking(Mailbox.email == bindparam("email"))


def find(addresses: Iterable[str]) -> dict[str, Box]:
    """The mailboxes with exactly these addresses (in normal form) that take mail now; within the caller's transaction."""
    wanted = list(set(addresses))
    if not wanted:
        return {}
    value = orjson.dumps(wanted).decode() if is_sqlite() else wanted
    return {row[2]: Box(*row) for row in _several.fetch({"wanted": value})}


def _make_several(dialect: str) -> Any:
    """One statement for any number of addresses."""
    if dialect == "sqlite":
        each = func.json_each(bindparam("wanted")).table_valued("value")
        return _taking(Mailbox.email.in_(select(each.c.value)))
    return _taking(Mailbox.email == func.any(bindparam("wanted")))


_several = Statement(_make_several)


class Quick:
    """Answers for one mailbox at a time, from a read connection that this thread alone uses. It never waits for a lock.

    None for an engine whose database is not a file of this machine: its answers cross a network, which an event loop must not wait for.
    """

    def __init__(self, engine: Engine) -> None:
        self.connection: sqlite3.Connection | None = None
        if engine.dialect.name != "sqlite" or not engine.url.database or engine.url.database == ":memory:":
            return
        statement = _ONE.compile(dialect=engine.dialect)
        self.statement = str(statement)
        self.connection = sqlite3.connect(engine.url.database, timeout=0, isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA query_only=ON")

    def find(self, email: str) -> Box | None:
        """The mailbox; None when it is not found so, or cannot be asked for now: then the long way knows more."""
        if self.connection is None:
            return None
        try:
            row = self.connection.execute(self.statement, (email,)).fetchone()
        except sqlite3.Error:
            return None
        return Box(*row) if row else None

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
