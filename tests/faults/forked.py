"""A day of a small installation in a forked process that may be told to die at a fail point; what it promised comes out through a pipe.

    live(app, Day(mails, letters), "accept.after_commit=kill@1")     Ended(code=-9, replies={…})

The process takes the mails through the committer of the SMTP door, sends the letters over the API with an Idempotency-Key each, and works
as a worker does until nothing is due. A reply counts when it reached the pipe, as for a sender it counts when it reached the line.
"""

import asyncio
import json
import os
import select
import signal
import time
import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import update

from tests.factories.sending import LONG_AGO
from webapp.automation.models_runs import RoutePlan, Run
from webapp.core import failpoints, queue
from webapp.core.db import begin_writing, db
from webapp.intake.committer import Committer
from webapp.intake.logins import log_in
from webapp.mail.smtp_in import Arrival, Login
from webapp.mailboxes.models import Mailbox
from webapp.messages.models import Message
from webapp.sending.models import Delivery

PATIENCE_S = 60.0


@dataclass
class Day:
    """What comes: mails of strangers, letters of a mail program that logs in, letters over the API; each by a name of its own."""

    mails: dict[str, bytes] = field(default_factory=dict)
    submitted: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    posted: dict[str, str] = field(default_factory=dict)
    person: Any = None
    box: Any = None
    password: str = ""

    def without(self, answered: dict[str, str]) -> "Day":
        """What its senders send again: everything that nobody answered with a 2."""

        def again(parts: dict[str, Any]) -> dict[str, Any]:
            return {key: part for key, part in parts.items() if not answered.get(key, "").startswith("2")}

        return Day(again(self.mails), again(self.submitted), again(self.posted), self.person, self.box, self.password)


@dataclass
class Ended:
    """How the process ended: 0, or minus the signal; and the replies that came out of it, by name."""

    code: int
    pid: int
    replies: dict[str, str]


def live(app: Any, day: Day, points: str = "", *, until_nothing_waits: bool = False) -> Ended:
    """Fork, live through the day, end; at wish time passes then until no row waits for its time any more."""
    db.session.commit()
    db.session.remove()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            db_of_child(app)
            failpoints.plant(points)
            _live(app, day, writing, until_nothing_waits)
            code = 0
        except BaseException:  # noqa: BLE001  # whatever it was, the test sees the code and the report of it
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    try:
        text = _read_all(reading, child)
    finally:
        os.close(reading)
        begin_writing()
    _, status = os.waitpid(child, 0)
    replies = dict(json.loads(line) for line in text.splitlines())
    return Ended(os.waitstatus_to_exitcode(status), child, replies)


def live_here(app: Any, day: Day) -> dict[str, str]:
    """The same without a fork; returns the replies."""
    db.session.commit()
    reading, writing = os.pipe()
    try:
        _live(app, day, writing, until_nothing_waits=True)
    finally:
        os.close(writing)
        begin_writing()
    with os.fdopen(reading, encoding="utf-8") as out:
        return dict(json.loads(line) for line in out)


def db_of_child(app: Any) -> None:
    """The parent's connections are not ours to use or to close."""
    with app.app_context():
        db.engine.dispose(close=False)


def _read_all(descriptor: int, child: int) -> str:
    """All that it says until it ends. One that does not end is killed."""
    ends, text = time.monotonic() + PATIENCE_S, b""
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, ends - time.monotonic()))
        data = os.read(descriptor, 65_536) if ready else b""
        if not ready:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError(f"the process did not end within {PATIENCE_S:.0f} s")
        if not data:
            return text.decode()
        text += data


def _live(app: Any, day: Day, out: int, until_nothing_waits: bool) -> None:
    def answered(key: str, reply: str) -> None:
        os.write(out, json.dumps([key, reply]).encode() + b"\n")

    with app.app_context():
        begin_writing()
        _take_mails(app, day, answered)
        for key, recipient in day.posted.items():
            mail = {"receivers": [recipient], "subject": key, "body": f"Over the API: {key}."}
            reply = day.person.api.post(f"/mailboxes/{day.box.id}/mail/send", json=mail, headers={"Idempotency-Key": key})
            answered(key, str(reply.status_code))
        work_off()
        for _ in range(2 if until_nothing_waits else 0):
            let_time_pass()
            work_off()


def _take_mails(app: Any, day: Day, answered: Any) -> None:
    """Through the committer, as sessions hand them in: those of strangers together, then those of the login."""
    if not day.mails and not day.submitted:
        return
    committer = Committer(app)
    box = db.session.get_one(Mailbox, day.box.id)
    strangers = {key: arrival(raw, [box.email]) for key, raw in day.mails.items()}
    who = log_in(box.email, day.password, "127.0.0.1") if day.submitted else None
    login = Login(who.name, who) if who else None
    letters = {key: arrival(raw, [to], sender=box.email, login=login) for key, (raw, to) in day.submitted.items()}
    db.session.rollback()

    async def hand_in(arrivals: dict[str, Arrival]) -> None:
        async def one(key: str, item: Arrival) -> None:
            answered(key, await committer.receive(item))

        await asyncio.gather(*[one(key, item) for key, item in arrivals.items()])

    for arrivals in (strangers, letters):
        if arrivals:
            asyncio.run(hand_in(arrivals))
    committer.stop()


def arrival(raw: bytes, recipients: list[str], sender: str = "ines@elsewhere.test", login: Login | None = None) -> Arrival:
    """A mail as a session hands it in."""
    kind = "submission" if login else "mx"
    return Arrival(
        sender=sender, recipients=recipients, raw=raw, ip="127.0.0.1", helo="elsewhere.test", login=login, tls=False,
        received_at=datetime.now(UTC), smtputf8=False, trusted=True, kind=kind,
    )  # fmt: skip


def work_off(rounds: int = 60) -> None:
    """Do the jobs of all drains, as a worker does them, until nothing is due."""
    db.session.rollback()
    for _ in range(rounds):
        due = [item.name for item in queue.drains.values() if item.due()]
        db.session.rollback()
        if not due:
            return
        for name in due:
            queue.ring_now(name)
            queue.perform(name)
            db.session.rollback()
    raise AssertionError(f"there is no end of it: {due}")


def let_time_pass() -> None:
    """Every wait is over: leases of the dead, second tries, doubts."""
    begin_writing()
    for table in (Message, RoutePlan, Run):
        db.session.execute(update(table).where(table.lease_until.is_not(None)).values(lease_until=LONG_AGO))
    for waiting in (Delivery, Run):
        db.session.execute(update(waiting).where(waiting.next_attempt_at.is_not(None)).values(next_attempt_at=LONG_AGO))
    db.session.commit()
