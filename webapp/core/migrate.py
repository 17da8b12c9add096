"""The schema: Alembic, driven from code, one linear history in `webapp/migrations/versions`.

`python -m webapp.migrations.draft TABLE…` prints the operations that create the named tables, to be put into a dated migration.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.autogenerate import render_python_code
from alembic.config import Config
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from webapp.core.db import Base, UTCDateTime, db

FOLDER = Path(__file__).resolve().parent.parent / "migrations"
#: any number that no other program uses for pg_advisory_lock
LOCK = 7_245_533_001
NEWER = "The database has schema {}, which is newer than this program; start the newer version again."


@lru_cache(maxsize=1)
def head() -> str:
    """The newest revision that this code knows."""
    found = ScriptDirectory(str(FOLDER)).get_current_head()
    if found is None:
        raise RuntimeError("no migrations found")
    return found


def current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def is_newer(revision: str) -> bool:
    """Whether a revision is none that this code knows: a later version made it."""
    return revision not in {script.revision for script in ScriptDirectory(str(FOLDER)).walk_revisions()}


def is_current(app: Flask) -> bool:
    """Whether the database has exactly the schema of this code. raises OperationalError when it cannot be asked"""
    with app.app_context(), db.engine.connect() as connection:
        return current(connection) == head()


def upgrade(app: Flask, revision: str = "heads") -> bool:
    """Bring the schema up to date; returns whether anything was done. Two machines that start at once wait for each other.

    raises RuntimeError with a sentence when the database is newer than this code
    """
    with app.app_context(), db.engine.connect() as connection, _alone(connection):
        have = current(connection)
        connection.rollback()
        if have == head() and revision == "heads":
            return False
        if have is not None and is_newer(have):
            raise RuntimeError(NEWER.format(have))
        command.upgrade(_config(connection), revision)
        return True


def refuse_newer(app: Flask) -> None:
    """For parts that start by themselves. A database that is away or older is waited for; a newer one would be misread.

    raises RuntimeError with a sentence
    """
    try:
        with app.app_context(), db.engine.connect() as connection:
            have = current(connection)
    except DBAPIError:
        return
    if have is not None and is_newer(have):
        raise RuntimeError(NEWER.format(have))


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """One at a time; whoever dies lets go: a lock of the database's session, for SQLite one of a file beside its own."""
    if connection.dialect.name == "sqlite":
        file = connection.engine.url.database or ""
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        with open(f"{file}.migrating", "a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        return
    connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
        connection.commit()


def downgrade(app: Flask, revision: str) -> None:
    """For tests: go back to a revision (`base` empties the schema)."""
    with app.app_context(), db.engine.connect() as connection:
        command.downgrade(_config(connection), revision)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    return config


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """How our column types are written in a migration."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "UTCDateTime()"
    return False


def draft(*tables: str) -> str:
    """The operations that create these tables with their indexes, as Python."""
    steps: list[Any] = []
    for name in tables:
        table = Base.metadata.tables[name]
        create = ops.CreateTableOp.from_table(table)
        create.kw["sqlite_autoincrement"] = True
        steps.append(create)
        steps += [ops.CreateIndexOp.from_index(index) for index in sorted(table.indexes, key=lambda index: str(index.name))]
    context = MigrationContext.configure(dialect_name="postgresql", opts={"target_metadata": Base.metadata})
    code = str(render_python_code(ops.UpgradeOps(ops=steps), render_item=render_item, migration_context=context))
    return code.replace("sa.BigInteger().with_variant(sa.Integer(), 'sqlite')", "BigInt").replace(
        "sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), 'postgresql')", "Json"
    )

