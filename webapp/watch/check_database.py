"""The database: reachable, of this version's schema, set up so that what is committed stays, and with room for everybody."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from webapp.core import migrate, mounts
from webapp.core.config import settings
from webapp.core.db import db, is_sqlite
from webapp.settings import Settings
from webapp.watch.findings import Finding, fail, ok, warn

#: a transaction that is open for so long keeps others waiting and vacuum from its work
LONG_TRANSACTION_S = 60
#: the share of PostgreSQL's connections from which on the next part may find none
MOST_CONNECTIONS = 0.9


def sqlite_file(known: Settings) -> Path | None:
    """The file of the embedded database; None on PostgreSQL."""
    return Path(known.database_url.removeprefix("sqlite:///").split("?")[0]) if known.is_sqlite else None


def is_usable() -> bool:
    """Whether rows can be asked for: it answers and has this version's schema."""
    file = sqlite_file(settings())
    if file is not None and not file.exists():
        return False
    try:
        with db.engine.connect() as connection:
            return migrate.current(connection) == migrate.head()
    except DBAPIError:
        return False


def database() -> Iterator[Finding]:
    """All that is asked of the database; nothing more once it does not answer."""
    file = sqlite_file(settings())
    if file is not None and not file.exists():
        yield warn("database", "It is not there yet.", "", "The first start makes it.")
        return
    try:
        with db.engine.connect() as connection:
            have = migrate.current(connection)
    except DBAPIError as error:
        yield lost(error)
        return
    yield _schema(have)
    yield from _sqlite(file) if is_sqlite() else _postgres()
    db.session.rollback()


def lost(error: DBAPIError) -> Finding:
    return fail(
        "database", f"It does not answer: {_first_line(error)}.", "No mail is taken and no page opens.",
        "Check that the server runs and that DATABASE_URL names it.",
    )  # fmt: skip


def _schema(have: str | None) -> Finding:
    if have == migrate.head():
        return ok("database", f"It answers and has the schema of this version ({have}).")
    if have is not None and migrate.is_newer(have):
        return fail(
            "database", f"It has schema {have}, which is newer than this program.", "This version would misread it, so it does not start.",
            "Start the newer version again.",
        )  # fmt: skip
    return fail(
        "database", f"It has schema {have or '(none)'} instead of {migrate.head()}.", "This version refuses to work on it.",
        "Run: python app.py migrate",
    )  # fmt: skip


def _sqlite(file: Path | None) -> Iterator[Finding]:
    wanted: dict[str, tuple[Any, str]] = {
        "journal_mode": ("wal", "Readers and the writer would wait for each other."),
        "synchronous": (2, "A power cut could lose mail that was accepted."),
        "foreign_keys": (1, "Rows could be left without their owner."),
    }
    wrong = False
    for name, (value, harm) in wanted.items():
        found = db.session.execute(text(f"PRAGMA {name}")).scalar()
        if found != value:
            wrong = True
            yield fail("database", f"{name} is {found} instead of {value}.", harm, "Restart Mailroom; nothing else should open its file.")
    if not wrong:
        yield ok("database", "SQLite with WAL and full sync.")
    kind = mounts.file_system(settings().instance)
    if kind in mounts.SHARED:
        yield fail(
            "database", f"Its file lies on {kind}.", "SQLite's locks cannot be trusted there; two writers can damage it.",
            "Move MAILROOM_INSTANCE to a local disk, or use PostgreSQL.",
        )  # fmt: skip
    db.session.rollback()
    if file is not None:
        yield from _write_lock(file)


def _write_lock(file: Path) -> Iterator[Finding]:
    """Whether the one write lock can be had within 3 s; a healthy transaction holds it for milliseconds."""
    connection = sqlite3.connect(file, timeout=3, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        yield fail(
            "database", f"Its write lock could not be had within 3 s ({error}).", "Mail is answered with 451, pages say that it is busy.",
            "Something holds it: a backup tool, a shell with an open transaction, or a full disk. End that.",
        )  # fmt: skip
    finally:
        connection.close()


def _postgres() -> Iterator[Finding]:
    show = "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'max_connections')"
    found = {row.name: row.setting for row in db.session.execute(text(show))}
    harms = {
        "fsync": "A power cut can destroy the whole database.",
        "full_page_writes": "A power cut can leave half-written pages.",
        "synchronous_commit": "A power cut can lose mail that was answered with 250.",
    }
    off = [name for name in harms if found.get(name) == "off"]
    for name in off:
        yield fail("database", f"{name} is off.", harms[name], f"Run as its administrator: ALTER SYSTEM SET {name} = on; then reload.")
    if not off:
        yield ok("database", f"PostgreSQL; synchronous_commit is {found.get('synchronous_commit')}, fsync is on.")
    yield from _connections(int(found.get("max_connections", 100)))
    yield from _long_transactions()


def _connections(most: int) -> Iterator[Finding]:
    used = int(db.session.execute(text("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")).scalar() or 0)
    if used >= most * MOST_CONNECTIONS:
        yield fail(
            "database", f"{used} of its {most} connections are taken.", "The next part that asks for one is refused: 451 or 503.",
            "Raise max_connections, put a pooler in front, or lower MAILROOM_WEB_WORKERS and MAILROOM_WEB_THREADS.",
        )  # fmt: skip
    else:
        yield ok("database", f"{used} of its {most} connections are taken.")


def _long_transactions() -> Iterator[Finding]:
    query = """SELECT pid, state, extract(epoch FROM clock_timestamp() - xact_start) AS seconds, wait_event_type = 'Lock' AS waits
               FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
                 AND xact_start < clock_timestamp() - make_interval(secs => :most) ORDER BY xact_start LIMIT 5"""
    for row in db.session.execute(text(query), {"most": LONG_TRANSACTION_S}):
        waits = ", waiting for a lock" if row.waits else ""
        yield warn(
            "database", f"A transaction has been open for {int(row.seconds)} s (backend {row.pid}, {row.state}{waits}).",
            "Rows that it holds cannot be changed, and vacuum frees no space behind it.",
            f"If nobody knows it: SELECT pg_terminate_backend({row.pid});",
        )  # fmt: skip


def _first_line(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return (lines[0] if lines else type(error.orig).__name__).rstrip(".")
