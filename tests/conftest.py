"""Fixtures that every test may use. Services and pages run on SQLite and, with the same tests, on PostgreSQL.

    app          the application on a fresh, migrated, empty database (parametrised: sqlite, postgres), its context pushed
    alice bob carol eve    people: owner, agent and viewer of "Acme"; owner of "Evil Corp"; each with .actor .api .page
    outside      fakes for HTTP, DNS and the clock
    work_off     runs all background work until nothing is due
"""

import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, event

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import ready
from tests.fakes import fake_outside
from tests.people import Person, hash_cheaply
from tests.servers import PostgresServer, RedisServer
from tests.stamp import Stamp, people_in
from webapp import create_app
from webapp.campaigns import compiling, engine
from webapp.cli import cli, edge
from webapp.core import migrate, queue, secrets
from webapp.core.db import begin_writing, db
from webapp.core.outside import Outside
from webapp.settings import load_settings
from webapp.tokens import calls, door
from webapp.tracking import hits, targets

pytest_plugins = ["tests.plugins.counts", "tests.plugins.order"]
WITHOUT = set(filter(None, os.environ.get("WITHOUT", "").split(",")))
ready.is_on = True
hash_cheaply()
# The same examples each time, and no deadline that a busy machine misses; HYPOTHESIS_PROFILE=default draws new ones.
hypothesis.settings.register_profile("house", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "house")
DATABASES = [name for name in ("sqlite", "postgres") if name not in WITHOUT]


@event.listens_for(Engine, "connect")
def _leave_the_disk_in_peace(connection: Any, _record: Any) -> None:
    """Tests end processes and never the power: what SQLite handed to the system is safe without a wait for the disk at each commit."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def stamps() -> dict[str, Stamp]:
    """One application per database and process; its data is emptied before each test."""
    return {}


@pytest.fixture(params=DATABASES)
def app(
    request: pytest.FixtureRequest, stamps: dict[str, Stamp], redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    kind = request.param
    if kind not in stamps:
        home = tmp_path_factory.mktemp(f"instance-{kind}")
        url = request.getfixturevalue("postgres_server").create("mailroom") if kind == "postgres" else f"sqlite:///{home}/mailroom.sqlite"
        settings = load_settings(
            {
                "MAILROOM_INSTANCE": str(home), "DATABASE_URL": url, "REDIS_URL": redis_server.url(0 if kind == "sqlite" else 1),
                "MAILROOM_RATE_LIMITS": "off", "MAILROOM_HOSTNAME": "mail.acme.test", "MAILROOM_PUBLIC_URL": "http://localhost",
                "MAILROOM_SECRET_KEY": "a key for tests that is long enough to be one",
            },
            dotenv=None,
        )  # fmt: skip
        made = create_app(settings)
        made.config[calls.SETTING] = 0  # no thread writes into a database that the next test empties
        migrate.upgrade(made)
        stamps[kind] = Stamp(made)
    stamp = stamps[kind]
    application = stamp.app
    config, extensions = dict(application.config), dict(application.extensions)
    begin_writing()
    with application.app_context():
        if "people" in request.fixturenames:
            stamp.put_in()
        else:
            stamp.empty()
        application.extensions["redis"].flushdb()
        secrets.configure(application.config["SETTINGS"].secret_keys)  # another application of this process may have had others
        for remembers in (door.forget_all, compiling.forget, engine.portions.forget, hits.forget, targets.forget):
            remembers()
        yield application
        db.session.rollback()
        db.session.remove()
    application.config.clear()
    application.config.update(config)
    application.extensions.clear()
    application.extensions.update(extensions)


@pytest.fixture
def outside(app: Any) -> Outside:
    """Fakes in place of the network: .http .dns .clock (tests/fakes.py)."""
    app.extensions["outside"] = fake_outside()
    return app.extensions["outside"]


@pytest.fixture
def people(app: Any) -> dict[str, Person]:
    return people_in(app)


@pytest.fixture
def alice(people: dict[str, Person]) -> Person:
    return people["alice"]


@pytest.fixture
def bob(people: dict[str, Person]) -> Person:
    return people["bob"]


@pytest.fixture
def carol(people: dict[str, Person]) -> Person:
    return people["carol"]


@pytest.fixture
def eve(people: dict[str, Person]) -> Person:
    return people["eve"]


@pytest.fixture
def work_off(app: Any) -> Any:
    """Run the drains in this process until nothing is due; returns how many rounds it took."""

    def run() -> int:
        db.session.commit()
        begin_writing()
        rounds = queue.run_all()
        db.session.commit()
        return rounds

    return run


@pytest.fixture
def command(app: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `app.py …` on the application of the test; returns what it printed, and its exit code."""
    monkeypatch.setattr(edge, "create_app", lambda settings: app)
    monkeypatch.setattr(edge, "load_settings", lambda: app.config["SETTINGS"])

    def run(*arguments: str) -> tuple[str, int]:
        db.session.commit()
        ended = CliRunner().invoke(cli, list(arguments))
        begin_writing()
        return ended.output or str(ended.exception), ended.exit_code

    return run
