"""The history of the schema: up, down and up again on both databases, and equal to the models at its end."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from tests.servers import PostgresServer, RedisServer
from webapp import create_app
from webapp.core import migrate
from webapp.core.db import Base, begin_writing, db
from webapp.settings import load_settings

#: made by hand in migrations, unknown to the models: full-text search
BY_HAND = ("fts", "search", "words")


@pytest.fixture(params=["sqlite", "postgres"])
def bare(request: pytest.FixtureRequest, redis_server: RedisServer, tmp_path: Any) -> Iterator[Any]:
    """An application on a database without any table."""
    url = f"sqlite:///{tmp_path}/bare.sqlite"
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.create(f"bare_{abs(hash(request.node.name)) % 10**8}")
    app = create_app(
        load_settings(
            {"MAILROOM_INSTANCE": str(tmp_path), "DATABASE_URL": url, "REDIS_URL": redis_server.url(5), "MAILROOM_SECRET_KEY": "k" * 40},
            dotenv=None,
        )
    )
    begin_writing()
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def tables(app: Any) -> set[str]:
    with app.app_context(), db.engine.connect() as connection:
        return set(inspect(connection).get_table_names()) - {"alembic_version", "sqlite_sequence"}


def test_up_down_and_up_again(bare: Any) -> None:
    assert migrate.upgrade(bare)
    first = tables(bare)
    assert set(Base.metadata.tables) <= first
    migrate.downgrade(bare, "base")
    assert tables(bare) == set(), "the way down leaves nothing behind"
    assert migrate.upgrade(bare)
    assert tables(bare) == first
    assert not migrate.upgrade(bare), "a current schema is left alone"


def test_the_models_equal_the_schema(bare: Any) -> None:
    migrate.upgrade(bare)
    with bare.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": _ours})
        differences = [item for item in compare_metadata(context, Base.metadata) if not _is_by_hand(item)]
    assert not differences, differences


def _ours(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    return not (reflected and compare_to is None and any(word in str(name) for word in BY_HAND))


def _is_by_hand(item: Any) -> bool:
    # SQLite says INTEGER for every whole number and has no JSON type of its own.
    return isinstance(item, list) and all(change[0] == "modify_type" and db.engine.dialect.name == "sqlite" for change in item)


def test_a_database_newer_than_the_program_is_refused_with_a_sentence(bare: Any) -> None:
    migrate.upgrade(bare)
    with bare.app_context(), db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '29991231_2359'"))
    with pytest.raises(RuntimeError, match="newer than this program"):
        migrate.upgrade(bare)
    ready = bare.test_client().get("/readyz")
    assert ready.status_code == 503 and "schema is not current" in json.dumps(ready.json)


def test_the_history_is_one_line() -> None:
    assert migrate.head()
