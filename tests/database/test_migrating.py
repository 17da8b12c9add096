"""C-42: a migration that is killed goes on at the next start; two nodes at once do it once; an old program refuses a newer schema."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event, text

from tests.conftest import DATABASES
from tests.database.nodes import command, die, ended, fork, forked, fresh_url, node, settings_of
from webapp.core import migrate
from webapp.core.db import Base, db

_numbers = itertools.count(1)
#: how many points of the whole chain are killed; the long form in tests/faults kills at every one
POINTS = 3


@pytest.fixture(params=DATABASES)
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


@pytest.fixture
def server(kind: str, request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("postgres_server") if kind == "postgres" else None


def upgrade_and_die_at(url: str, home: Path, number: int) -> int:
    """Run the chain and be killed before statement `number`; returns how the process ended."""

    def work() -> None:
        seen = itertools.count(1)
        with node(settings_of(home, url)) as app:
            event.listen(db.engine, "before_cursor_execute", lambda *_: die() if next(seen) == number else None)
            migrate.upgrade(app)

    return forked(work)


def statements(url: str, home: Path) -> int:
    """How many statements the whole chain takes."""
    counted: list[int] = []
    with node(settings_of(home, url)) as app:
        event.listen(db.engine, "before_cursor_execute", lambda *_: counted.append(1))
        migrate.upgrade(app)
    return len(counted)


def is_whole(url: str, home: Path) -> bool:
    """Whether the schema is what the models say, in full."""
    with node(settings_of(home, url)) as app:
        with db.engine.connect() as connection:
            differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
            connection.rollback()
        wanted = [one for one in differences if one[0] in ("add_table", "add_column", "add_index", "add_constraint")]
        return not wanted and migrate.is_current(app)


def test_c42_killed_between_any_two_statements_it_goes_on_at_the_next_start(kind: str, server: Any, tmp_path: Path) -> None:
    total = statements(fresh_url(kind, tmp_path / "whole", server, f"whole{next(_numbers)}"), tmp_path / "whole")
    for point in range(POINTS):
        number = 4 + point * (total - 5) // (POINTS - 1)
        home = tmp_path / str(number)
        url = fresh_url(kind, home, server, f"cut{next(_numbers)}")
        assert upgrade_and_die_at(url, home, number) == -9, f"the kill at statement {number} of {total} did not happen"
        with node(settings_of(home, url)) as app:
            assert migrate.upgrade(app) is True
        assert is_whole(url, home), f"killed at statement {number} of {total}"


def test_c42_two_nodes_at_once_migrate_once(kind: str, server: Any, tmp_path: Path) -> None:
    url = fresh_url(kind, tmp_path, server, f"two{next(_numbers)}")
    changed = [tmp_path / "first", tmp_path / "second"]

    def start(mark: Path) -> int:
        def work() -> None:
            with node(settings_of(tmp_path, url)) as app:
                mark.write_text(str(migrate.upgrade(app)))

        return fork(work)

    assert [ended(pid) for pid in [start(mark) for mark in changed]] == [0, 0]
    assert sorted(mark.read_text() for mark in changed) == ["False", "True"]
    assert is_whole(url, tmp_path)


def test_c42_an_old_program_refuses_a_newer_schema_with_a_sentence(kind: str, server: Any, tmp_path: Path) -> None:
    url = fresh_url(kind, tmp_path, server, f"newer{next(_numbers)}")
    with node(settings_of(tmp_path, url)) as app:
        migrate.upgrade(app)
        db.session.execute(text("UPDATE alembic_version SET version_num = '20990101_0000'"))
        db.session.commit()
        assert app.test_client().get("/readyz").status_code == 503
        for refuse in (migrate.refuse_newer, migrate.upgrade):
            with pytest.raises(RuntimeError, match="20990101_0000, which is newer than this program; start the newer version again"):
                refuse(app)
    if kind == "sqlite":  # the command line is the same on both
        one = command("worker", home=tmp_path, DATABASE_URL=url)
        out, err = one.communicate(timeout=60)
        assert one.returncode == 1 and out == "" and "which is newer than this program; start the newer version again." in err
        assert len(err.splitlines()) == 1, err
