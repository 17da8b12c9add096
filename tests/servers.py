"""Real servers for tests: a Redis and a PostgreSQL of our own in temporary folders, on sockets that nobody else uses."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from webapp.core.db import db
from webapp.processes.redis_server import bundled_binary


def find_program(*names: str) -> str:
    for name in names:
        found = shutil.which(name)
        if found:
            return found
        for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
            if (folder / name).exists():
                return str(folder / name)
    raise RuntimeError(f"{' or '.join(names)} is not installed; `make test` installs it, or leave it out with WITHOUT=…")


def redis_program() -> str:
    try:
        return find_program("valkey-server", "redis-server")
    except RuntimeError:
        return str(bundled_binary())


class RedisServer:
    """One per test process."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mr-redis-"))
        self.socket = self.folder / "s"
        self.process = subprocess.Popen(
            [redis_program(), "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
        )
        client = redis.Redis(unix_socket_path=str(self.socket))
        wait_until(lambda: self.socket.exists() and client.ping(), "redis")

    def url(self, number: int = 0) -> str:
        return f"unix://{self.socket}?db={number}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgresServer:
    """One cluster per test process, without fsync; as root it runs as the user postgres."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mr-pg-"))
        self.prefix: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
            self.prefix = ["runuser", "-u", "postgres", "--"]
        data = self.folder / "data"
        self._run(find_program("initdb"), "-D", str(data), "-U", "mailroom", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off -c full_page_writes=off"
        options += " -c synchronous_commit=off"
        options += " -c max_connections=200 -c shared_buffers=64MB"
        self.control = find_program("pg_ctl")
        self._run(self.control, "-D", str(data), "-o", options, "-l", str(self.folder / "log"), "-w", "start")
        self.data = data

    def _run(self, *command: str) -> None:
        subprocess.run([*self.prefix, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/")

    def create(self, name: str) -> str:
        """A new database; returns its URL."""
        self._run(find_program("createdb"), "-h", str(self.folder), "-U", "mailroom", name)
        return f"postgresql+psycopg://mailroom@/{name}?host={self.folder}"

    def stop(self) -> None:
        self._run(self.control, "-D", str(self.data), "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)


def wait_until(condition: Any, what: str, timeout_s: float = 15) -> Any:
    """Ask again until it is true; fails with the name of what was waited for."""
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        try:
            found = condition()
            if found:
                return found
        except (OSError, redis.RedisError):
            pass
        time.sleep(0.02)
    raise AssertionError(f"waited {timeout_s} s in vain for {what}")


_opened: list[tuple[str, sqlite3.Connection]] = []


@event.listens_for(Engine, "connect")
def _remember(connection: Any, _record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        _opened.append((connection.execute("PRAGMA database_list").fetchone()[2], connection))


def save_sqlite(app: Any, home: Path, name: str) -> None:
    """Keep the database file as it is now under a name for `fresh_sqlite`."""
    with app.app_context():
        own: Any = db.engine.raw_connection()  # no transaction begins on it, in which a checkpoint would be refused
        own.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        own.close()
    _let_go(app, Path(home) / "mailroom.sqlite")
    shutil.copyfile(Path(home) / "mailroom.sqlite", Path(home) / f"{name}.sqlite")


def fresh_sqlite(app: Any, home: Path, name: str) -> None:
    """Put a saved database file in place of the used one."""
    file = Path(home) / "mailroom.sqlite"
    _let_go(app, file)
    for leftover in (f"{file}-wal", f"{file}-shm"):
        Path(leftover).unlink(missing_ok=True)
    shutil.copyfile(Path(home) / f"{name}.sqlite", file)


def _let_go(app: Any, file: Path) -> None:
    """Close every connection to the file: also one that a thread or a second application of the last test still holds would share its
    write-ahead index with the new file."""
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    for opened, connection in _opened:
        if opened == str(file):
            connection.close()
    _opened[:] = [(opened, connection) for opened, connection in _opened if opened != str(file)]


EMPTY = """
DO $$ DECLARE name text; BEGIN
    SET LOCAL session_replication_role = replica;  -- nobody asks for the rows that others point at
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE 'DELETE FROM ' || quote_ident(name);
    END LOOP;
    PERFORM setval(quote_ident(schemaname) || '.' || quote_ident(sequencename), 1, false) FROM pg_sequences WHERE last_value IS NOT NULL;
END $$;
"""
#: copies of all tables that have rows beside the tables themselves, and where the numbers of their rows stand
KEEP = """
DROP SCHEMA IF EXISTS kept, kept_numbers CASCADE;
CREATE SCHEMA kept;
CREATE SCHEMA kept_numbers;
CREATE TABLE kept_numbers.of AS
    SELECT quote_ident(schemaname) || '.' || quote_ident(sequencename) AS name, last_value FROM pg_sequences WHERE last_value IS NOT NULL;
DO $$ DECLARE name text; filled bool; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM public.%I)', name) INTO filled;
        IF filled THEN EXECUTE format('CREATE TABLE kept.%I AS TABLE public.%I', name, name); END IF;
    END LOOP;
END $$;
"""
PUT_BACK = """
DO $$ DECLARE name text; BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'kept' LOOP
        EXECUTE format('INSERT INTO public.%I SELECT * FROM kept.%I', name, name);
    END LOOP;
    PERFORM setval(numbers.name, last_value) FROM kept_numbers.of AS numbers;
END $$;
"""


def keep_postgres() -> None:
    """Keep all rows of now for `empty_postgres(kept=True)`."""
    _run_sql(KEEP)


def empty_postgres(kept: bool = False) -> None:
    """Empty every table, ids from 1 again; then put the kept rows in, if asked to.

    Few rows are deleted faster than truncated, which would make every file of every table anew.
    """
    _run_sql(EMPTY + PUT_BACK if kept else EMPTY)


def _run_sql(script: str) -> None:
    db.session.remove()
    try:
        _run_once(script)
    except OperationalError:  # an earlier test ended the server's connections
        db.engine.dispose()
        _run_once(script)


def _run_once(script: str) -> None:
    with db.engine.begin() as connection:
        connection.execution_options(no_parameters=True).exec_driver_sql(script)  # so that it may be several statements, with %
