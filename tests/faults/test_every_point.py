"""Every fail point of the product, one after the other: the process dies there, another one goes on, and every mail is accounted for.

The points are read from the source, so a new one is tested by being there; a point that nothing reaches fails.
"""

import os
import random
import re
import signal
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.conftest import DATABASES
from tests.factories.automation import make_action, make_route
from tests.factories.mailboxes import PASSWORD, make_mailbox
from tests.factories.messages import make_raw
from tests.factories.sending import Sink, use_transport
from tests.faults import forked
from tests.faults.forked import Day, Ended
from webapp.audit import verification
from webapp.automation.models_runs import RoutePlan, Run
from webapp.core.db import begin_writing, db
from webapp.messages import store
from webapp.messages.models import Message
from webapp.processes import aftermath
from webapp.sending import service as sending
from webapp.sending.models import Attempt, Delivery

pytestmark = pytest.mark.faults
ROOT = Path(__file__).resolve().parents[2]
KILLED = -signal.SIGKILL
#: killed where the work is that reaches them: tests/campaigns/test_engine_exact.py and tests/imports/test_exactly.py
ELSEWHERE = ("campaign.", "import.")
#: in the docstring of `failpoints`
EXAMPLES: set[str] = set()
#: so many mails of strangers, letters by SMTP login and letters over the API
MAILS, SUBMITTED, POSTED = 3, 2, 2
LOCAL = Counter({"books@acme.test": 1000})
FORWARDED_TO = "kontor@revisor.example"
#: died here, one mail may be on the wire unanswered
MAY_DOUBT = ("wire.", "send.answered", "pipe.")


@lru_cache
def points() -> list[str]:
    """The names of all fail points of the product."""
    hits = re.compile(r'failpoints\.hit\(\s*f?"([^"{]+)"')
    found = {name for file in (ROOT / "webapp").rglob("*.py") for name in hits.findall(file.read_text(encoding="utf-8"))}
    return sorted(name for name in found - EXAMPLES if not name.startswith(ELSEWHERE))


#: a file that no packing makes small, so that its mail lies in the blob store
NOISE = random.Random(1).randbytes(300_000)


def mail(key: str, file: bytes | None = None) -> bytes:
    """A mail with a name of its own."""
    message_id = {"Message-ID": f"<{key}@elsewhere.test>"}
    return make_raw(to="books@acme.test", subject=key, headers=message_id, files={"noise.bin": file} if file else None)


class World:
    """A mailbox with a route that forwards, a sink outside, and a day of mail."""

    def __init__(self, app: Any, alice: Any, sink: Sink) -> None:
        self.app, self.sink, self.alice = app, sink, alice
        use_transport(app, sink.url)
        self.box = make_mailbox(alice, "books@acme.test")
        make_route(alice, self.box, actions=[make_action(alice, "forward", to=[FORWARDED_TO])])
        mails = {f"mail-{number}": mail(f"mail-{number}", NOISE if number == 0 else None) for number in range(MAILS)}
        letters = {f"letter-{number}": (self._letter(f"letter-{number}"), f"l{number}@peer.test") for number in range(SUBMITTED)}
        letters["to-ourselves"] = (self._letter("to-ourselves"), self.box.email)
        posted = {f"post-{number}": f"p{number}@peer.test" for number in range(POSTED)}
        self.day = Day(mails, letters, posted, alice, self.box, PASSWORD)
        self.replies: dict[str, str] = {}
        self.repeated: list[str] = []

    def _letter(self, key: str) -> bytes:
        return f"From: books@acme.test\r\nTo: x@peer.test\r\nSubject: {key}\r\nMessage-ID: <{key}@acme.test>\r\n\r\nHello.\r\n".encode()

    def live(self, points: str = "") -> Ended:
        """One process on what is not answered yet. If it dies, the supervisor clears up behind it."""
        ended = forked.live(self.app, self.day.without(self.replies), points)
        self.replies.update(ended.replies)
        if ended.code == KILLED:
            aftermath.clear_up(self.app, ended.pid)
            begin_writing()
        return ended

    def end_day(self) -> None:
        """Another process goes on; the senders repeat what was not answered; time passes."""
        self.repeated = list(self.day.without(self.replies).mails)
        ended = forked.live(self.app, self.day.without(self.replies), until_nothing_waits=True)
        self.replies.update(ended.replies)
        assert ended.code == 0, f"it ended with {ended.code}"


@pytest.fixture
def world(app: Any, alice: Any) -> Iterator[World]:
    with Sink() as sink:
        yield World(app, alice, sink)


def test_a_day_without_faults_is_accounted_for(world: World) -> None:
    """In this very process, which also makes ready what the forked ones would all have to make ready for themselves."""
    world.replies.update(forked.live_here(world.app, world.day))
    check_in(world)
    check_out(world, doubts=0)
    assert world.repeated == []


def cases() -> Iterator[Any]:
    """Every point on SQLite; on PostgreSQL every third one, or all of them with FAULTS=all."""
    each = {"sqlite": 1, "postgres": 1 if os.environ.get("FAULTS") == "all" else 3}
    for database in DATABASES:
        for point in points()[:: each[database]]:
            yield pytest.param(database, point, id=f"{database}-{point}")


@pytest.mark.parametrize(("app", "point"), list(cases()), indirect=["app"])
def test_c01_c22_killed_at_each_fail_point_every_mail_is_accounted_for(world: World, point: str) -> None:
    if point.startswith("recover."):
        assert world.live("send.claimed=kill@1").code == KILLED
    ended = world.live(f"{point}=kill@1")
    assert ended.code == KILLED, f"nothing reaches the fail point {point}, or it does not kill: {ended}"
    world.end_day()
    check_in(world)
    check_out(world, doubts=1 if point.startswith(MAY_DOUBT) else 0)
    assert all(report.ok for report in verification.verify_all()[0])


def check_in(world: World) -> None:
    """Each mail is answered with 250, stored once as it came, read, filed, and went through its route once."""
    rows = db.session.scalars(select(Message).where(Message.direction == "received").order_by(Message.id)).all()
    assert all(world.replies[key].startswith("250") for key in world.day.mails), world.replies
    found = Counter(row.subject for row in rows)
    assert set(found) == {*world.day.mails, "to-ourselves"}
    assert {store.raw_of(row) for row in rows if row.subject != "to-ourselves"} == set(world.day.mails.values())
    assert {(row.state, row.problem) for row in rows} == {("processed", None)}
    assert all((row.folder is None) == (row.repeats_id is not None) for row in rows), "only a repetition is not filed"
    runs = dict(Counter(db.session.scalars(select(Run.message_id))))
    ran = [row for row in rows if row.id in runs]
    assert set(db.session.scalars(select(Run.status))) == {"success"} and set(runs.values()) == {1}
    assert Counter(row.subject for row in ran) == Counter(set(found)), "each mail runs through its route once, a repetition not again"
    assert found <= Counter(set(found)) + Counter(world.repeated), "stored twice although it was answered"


def check_out(world: World, doubts: int) -> None:
    """Each recipient got its mail once; a second copy only of what was in doubt, with the same Message-ID."""
    rows = db.session.scalars(select(Delivery)).all()
    assert {row.state for row in rows} == {"sent"}, [(row.recipient, row.state, row.last_error) for row in rows]
    unsure = db.session.scalars(select(Attempt.delivery_id).where(Attempt.outcome == "uncertain")).all()
    assert len(unsure) <= doubts, "more in doubt than was on the wire"
    wanted = Counter(row.recipient for row in rows)
    taken = Counter(world.sink.recipients)
    doubtful = Counter(row.recipient for row in rows if row.id in set(unsure))
    assert wanted - LOCAL <= taken and taken - (wanted - LOCAL) <= doubtful, (wanted, taken)
    for key, address in {**world.day.posted, **{k: to for k, (_, to) in world.day.submitted.items()}}.items():
        assert world.replies[key][:1] == "2" and wanted[address] >= 1, (key, world.replies)
    assert all(wanted[address] == 1 for address in world.day.posted.values()), "the same Idempotency-Key is one mail"
    counts = sending.counts(world.alice.actor)
    assert counts["sent"] == len(rows) and sum(counts.values()) == len(rows)
    assert db.session.scalar(select(func.count()).select_from(RoutePlan)) == 0
