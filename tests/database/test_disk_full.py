"""C-39: the disk is full, at whatever table. Mail is refused politely, nothing accepted is lost, and work goes on by itself afterwards."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.exc import DBAPIError

from tests.conftest import DATABASES
from tests.database.nodes import node, settings_of
from tests.database.small_disk import SmallDisk, small_disk
from tests.database.test_postgres_cuts import arrival_for, direct
from tests.factories.mailboxes import make_mailbox
from tests.people import make_people
from tests.servers import RedisServer
from webapp.core import migrate, queue
from webapp.core.db import begin_writing, db
from webapp.intake import service as intake
from webapp.messages import store
from webapp.messages.models import Message

#: one that lies in its row, and one that lies in the blob store
SIZES = (90_000, 500_000)


class SmallDatabase:
    """The same for users who may not mount: SQLite itself takes no page more, and says so in the same words."""

    def __init__(self) -> None:
        self.full = False
        event.listen(db.engine, "checkout", self._limit)

    def _limit(self, connection: Any, *_: Any) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0] if self.full else 2**30
        connection.execute(f"PRAGMA max_page_count={pages}")

    def fill(self) -> None:
        self.full = True

    def free(self) -> None:
        self.full = False


@contextmanager
def house_on(kind: str, disk: SmallDisk | None, redis_url: str, tmp_path: Path, request: Any) -> Iterator[tuple[Any, Any]]:
    home = disk.folder / "instance" if disk is not None else tmp_path
    url = ""
    if kind == "postgres":
        if disk is None:
            pytest.skip("needs the right to mount a small file system")
        server = request.getfixturevalue("postgres_server")
        place = disk.folder / "rows"
        place.mkdir()
        shutil.chown(place, "postgres")
        with direct(server, "postgres") as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
            connection.execute("CREATE DATABASE small TABLESPACE small")
        url = f"postgresql+psycopg://mailroom@/small?host={server.folder}"
    home.mkdir(exist_ok=True)
    try:
        with node(settings_of(home, url, redis_url)) as app:
            migrate.upgrade(app)
            yield app, disk or SmallDatabase()
    finally:
        if url:
            with direct(server, "postgres") as connection:
                connection.execute("DROP DATABASE IF EXISTS small WITH (FORCE)")
                connection.execute("DROP TABLESPACE small")


def until_refused(take: Callable[[int], str], most: int = 200) -> tuple[int, str]:
    """Hand over mail after mail; returns how many were taken, and the first other answer."""
    for number in range(most):
        answer = take(number)
        if not answer.startswith("250"):
            return number, answer
    raise AssertionError(f"{most} mails went into a full disk")


@pytest.mark.parametrize("kind", DATABASES)
def test_c39_a_full_disk_refuses_politely_and_recovers_by_itself(
    kind: str, redis_server: RedisServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    begin_writing()
    with small_disk(64) as disk, house_on(kind, disk, redis_server.url(6), tmp_path, request) as (app, place):
        ann = make_people(app)["alice"]
        address = make_mailbox(ann).email

        def take(number: int) -> str:
            arrival = arrival_for(address)
            noise = os.urandom(SIZES[number % 2] // 2).hex()
            body = "\r\n".join(noise[at : at + 76] for at in range(0, len(noise), 76)).encode() + b"\r\n"
            return intake.receive(replace(arrival, raw=arrival.raw + body))

        assert take(0).startswith("250") and take(1).startswith("250")
        place.fill()
        db.session.remove()
        db.engine.dispose()
        taken, refusal = until_refused(take)
        assert refusal.startswith(("452 4.3.1", "451 4.3.0")), refusal
        answers = {ann.api.post("/domains", json={"name": f"d{number}.test"}).status_code for number in range(3)}
        assert answers <= {201, 503}, "whoever writes is told to come again"
        assert ann.api.get("/domains").status_code == 200, "reading goes on"
        _try_to_work()

        place.free()
        db.session.remove()
        assert take(0).startswith("250"), "nobody has to restart anything"
        begin_writing()
        assert (db.session.scalar(select(func.max(Message.deaths))) or 0) <= 1, "no mail is blamed for the disk"
        db.session.execute(update(Message).values(lease_until=None))  # the leases of those who failed run out by themselves
        db.session.commit()
        queue.run_all()
        db.session.commit()
        rows = db.session.execute(select(Message.state, func.count()).group_by(Message.state)).all()
        assert [tuple(row) for row in rows] == [("processed", taken + 3)], "what was answered with 250 is there, and nothing else"
        for raw_id in db.session.scalars(select(Message.raw_id)):
            assert len(store.load_raw(raw_id)) > SIZES[0]


def _try_to_work() -> None:
    """Jobs fail while there is no room; what they hold comes back."""
    try:
        queue.run_all(limit=3)
    except DBAPIError as error:
        assert any(words in str(error.orig).lower() for words in ("full", "no space")), error
    finally:
        db.session.rollback()
