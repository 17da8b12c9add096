"""Faults to plant, and servers of one test's own to plant them in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text, update

from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from tests.fakes import FakeClock
from tests.servers import RedisServer
from webapp.core import heartbeat, queue
from webapp.core.db import db, utcnow
from webapp.messages.models import Message
from webapp.watch import service
from webapp.watch.findings import Finding


def findings(subject: str, *, asks_others: bool = False) -> list[Finding]:
    """What the checks say about one subject now."""
    db.session.commit()
    return [one for one in service.examine(asks_others=asks_others) if one.subject == subject]


def wrong(subject: str, **how: Any) -> list[Finding]:
    return [one for one in findings(subject, **how) if one.level != "ok"]


def explains(one: Finding) -> bool:
    """Whether it says what is so, why it matters and what to do."""
    return all(len(part) > 10 for part in (one.what, one.why, one.do))


@contextmanager
def redis_with(app: Any, folder: Path, **configuration: str) -> Iterator[Any]:
    """The application on a Redis of its own with these settings."""
    server = RedisServer(folder)
    before = app.extensions["redis"]
    client = queue.connection(server.url())
    try:
        for name, value in configuration.items():
            client.config_set(name.replace("_", "-"), value)
        app.extensions["redis"] = client
        yield client
    finally:
        app.extensions["redis"] = before
        client.close()
        server.stop()


def standing_queue(person: Any, seconds: float) -> Message:
    """A mail that was stored so long ago and that nobody read."""
    message = make_mail(make_mailbox(person), read=False)
    db.session.execute(update(Message).values(created_at=utcnow() - timedelta(seconds=seconds)))
    db.session.commit()
    return message


def all_there() -> None:
    """Every part reports in, from this process."""
    for part in ("smtp", "worker", "scheduler"):
        heartbeat.beat(part)


def clock_off(app: Any, seconds: float) -> None:
    """This machine's clock is so far ahead of the database's."""
    there = utcnow() if db.engine.dialect.name == "sqlite" else db.session.execute(text("SELECT clock_timestamp()")).scalar_one()
    app.extensions["outside"] = replace(app.extensions["outside"], clock=FakeClock(there + timedelta(seconds=seconds)))
