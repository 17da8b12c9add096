"""C-44: what a page costs does not grow with its table: SQLite's own steps are counted, which no busy machine changes.

Each list is asked for with a few thousand rows behind it and again with four times as many. A count without an end, a sort of everything
or a plan without its index makes it dearer by as much; a walk down an index and counts with a cap do not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, inspect, text

from tests.conftest import DATABASES
from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_mail
from tests.factories.sending import make_outgoing
from webapp.core.db import begin_writing, db, utcnow
from webapp.happenings import stream
from webapp.suppressions import adding
from webapp.suppressions.adding import New

FEW, MANY = 2_500, 10_000
#: steps of SQLite between two looks, and how many a page may take more with MANY than with FEW: a share, and what deeper trees cost
EVERY, SHARE, MORE = 100, 1.25, 3_000
#: table -> the columns that differ from row to row, the key first
OWN = {
    "messages": {"id": "n"}, "message_texts": {"message_id": "n"}, "events": {"id": "n"},
    "deliveries": {"id": "n", "recipient": "'user' || n || '@example.org'"},
    "suppressions": {"id": "n", "hash": "'h' || n", "address": "'user' || n || '@example.org'"},
}  # fmt: skip
LISTS = (
    "/mail", "/mail?folder=INBOX", "/mail?page=20", "/queue", "/queue?state=sent", "/happenings", "/happenings?type=received",
    "/mail?box=sent", "/mail?box=quarantined", "/mail?box=captured", "/mail?box=test", "/mail?box=parked", "/suppressions",
    "/search?q=morning", "/", "/trash", "/mailboxes", "/health", "/metrics", "/api/v1/mailboxes/{box}/archives",
    "/api/v1/mailboxes/{box}/archives?folder=INBOX&per_page=100", "/api/v1/mailboxes/{box}/archives?search=morning",
    "/api/v1/mailboxes/{box}/archives?sender=ines", "/api/v1/deliveries", "/api/v1/deliveries?state=queued", "/api/v1/events",
    "/api/v1/events?type=received", "/api/v1/suppressions", "/api/v1/search?q=morning",
)  # fmt: skip


def add_copies(first: int, last: int) -> None:
    """Rows like the one that is there, under the ids from `first` to `last`, in every table of OWN; and the counters of mail."""
    for table, own in OWN.items():
        key = next(iter(own))
        names = [column["name"] for column in inspect(db.session.connection()).get_columns(table)]
        values = ", ".join(own.get(name, name) for name in names)
        numbers = "WITH RECURSIVE some(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM some WHERE n < :last)"
        pattern = f"(SELECT * FROM {table} ORDER BY {key} LIMIT 1)"
        put = f"{numbers} INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {pattern}, some"
        db.session.execute(text(put), {"first": first, "last": last})
    db.session.execute(text("UPDATE counters SET number = :last WHERE name LIKE 'messages%' AND number > 0"), {"last": last})
    db.session.commit()


class Steps:
    """Counts what SQLite does, on every connection of the engine."""

    def __init__(self) -> None:
        self.ticks = 0

    def _tick(self) -> int:
        self.ticks += 1
        return 0

    def watch(self, connection: Any, *_: Any) -> None:
        connection.set_progress_handler(self._tick, EVERY)


@contextmanager
def counted() -> Iterator[Steps]:
    steps = Steps()

    def leave(connection: Any, *_: Any) -> None:
        connection.set_progress_handler(None, 0)

    db.session.remove()
    event.listen(db.engine, "checkout", steps.watch)
    event.listen(db.engine, "checkin", leave)
    try:
        yield steps
    finally:
        db.session.remove()
        event.remove(db.engine, "checkout", steps.watch)
        event.remove(db.engine, "checkin", leave)


def cost_of(person: Any, path: str) -> int:
    """Steps of one request; the first one, which may read what is read once, does not count."""
    door = person.api if path.startswith("/api") else person.page
    assert door.get(path).status_code == 200, path
    with counted() as steps:
        assert door.get(path).status_code == 200, path
    return steps.ticks * EVERY


@pytest.mark.skipif("sqlite" not in DATABASES, reason="counts the steps of SQLite")
@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
def test_c44_lists_cost_the_same_with_four_times_as_many_rows(app: Any, alice: Any) -> None:
    box = make_mailbox(alice, "box@acme.test")
    make_mail(box, text="Good morning.")
    make_outgoing(alice, mailbox=box)
    stream.note("received", workspace_id=alice.workspace.id, mailbox_id=box.id, recipient=box.email, at=utcnow())
    adding.add_many(alice.workspace.id, [New(address="user@example.org", reason="manual", source="page")])
    db.session.commit()
    paths = [path.replace("{box}", str(box.id)) for path in LISTS]
    costs: list[dict[str, int]] = []
    for first, last in ((100, FEW), (FEW + 1, MANY)):
        begin_writing()
        add_copies(first, last)
        costs.append({path: cost_of(alice, path) for path in paths})
    few, many = costs
    dearer = {path: (few[path], many[path]) for path in paths if many[path] > few[path] * SHARE + MORE}
    assert dearer == {}
