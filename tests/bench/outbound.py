"""Outbound through the whole ledger, against our own pipelined ceiling in the same run.

Run: python -m tests.bench outbound        needs the program smtp-sink (Debian: postfix); all on loopback, SQLite with synchronous=FULL

Each round sends the same number of bulk mails of about 2 KB to one discarding sink: claimed a thousand per transaction, handed over in
lanes, results, attempts, counters and events recorded. The ceiling has the same lanes and the same durability and no product around it: a
claim and a result per row in a bare table, a thousand per transaction. `one` is one mail to many recipients, `own` a mail of its own for
each. With `rsa` both sides sign each mail with RSA-2048 just before it goes.
"""

import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench.common import median, message, say, wait_for
from tests.flows.installation import free_port
from webapp import create_app
from webapp.accounts.models import Workspace
from webapp.core import migrate
from webapp.core.bulk import insert_rows
from webapp.core.db import begin_writing, database_now, db
from webapp.mail import dkim
from webapp.mail.smtp_lanes import Lanes
from webapp.mail.smtp_out import SendResult, Target, connect
from webapp.mail.smtp_pipe import Letter, Mail, Pipe
from webapp.messages import store
from webapp.sending import work
from webapp.sending.models import Delivery, Outgoing
from webapp.settings import load_settings

MAILS, ROUNDS, SIZE = 8000, 3, 2000
BATCH = 1000
DOMAIN = "acme.test"


class Sink:
    """smtp-sink, discarding."""

    def __init__(self) -> None:
        program = shutil.which("smtp-sink") or shutil.which("smtp-sink", path="/usr/sbin")
        if program is None:
            raise SystemExit("This benchmark needs the program smtp-sink (Debian: apt-get install postfix).")
        self.port = free_port()
        who = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen([program, *who, f"127.0.0.1:{self.port}", "256"], stderr=subprocess.DEVNULL)
        wait_for(self._listens, "the sink")

    def _listens(self) -> bool:
        try:
            connect(Target("127.0.0.1", self.port), "bench.test").close()
        except Exception:  # noqa: BLE001
            return False
        return True


# --- the ceiling ---------------------------------------------------------------------------------------------


class Ceiling:
    """The same lanes, a bare ledger."""

    def __init__(self, folder: Path, port: int, key: str | None) -> None:
        self.file, self.port, self.key = folder / "ceiling.sqlite", port, key

    def fill(self, number: int) -> None:
        self.file.unlink(missing_ok=True)
        ledger = self._open()
        ledger.execute("CREATE TABLE ledger (id INTEGER PRIMARY KEY, recipient TEXT, state TEXT, lease REAL, reply TEXT)")
        ledger.execute("BEGIN IMMEDIATE")
        rows = [(n, f"user{n}@example.test", "queued") for n in range(1, number + 1)]
        ledger.executemany("INSERT INTO ledger (id, recipient, state) VALUES (?, ?, ?)", rows)
        ledger.execute("COMMIT")
        ledger.close()

    def _open(self) -> sqlite3.Connection:
        ledger = sqlite3.connect(self.file, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
            ledger.execute(f"PRAGMA {pragma}")
        return ledger

    def send(self, first: int, last: int) -> None:
        ledger, raw = self._open(), message(SIZE)
        mail = Mail(raw)
        results: list[tuple[str, str, int]] = []

        class Ear:
            def begins(self, letter: Letter, host: str) -> None:
                pass

            def answered(self, letter: Letter, result: SendResult, host: str) -> None:
                results.append((result.outcome, result.text, letter.key))

        lanes = Lanes(lambda ear: Pipe(connect(Target("127.0.0.1", self.port), "bench.test"), "sink", ear))
        for begin in range(first, last + 1, BATCH):
            ledger.execute("BEGIN IMMEDIATE")
            ids = (begin, min(begin + BATCH - 1, last))
            claim = "UPDATE ledger SET state = 'leased', lease = ? WHERE id BETWEEN ? AND ? AND state = 'queued'"
            ledger.execute(claim, (time.time(), *ids))
            rows = ledger.execute("SELECT id, recipient FROM ledger WHERE id BETWEEN ? AND ?", ids).fetchall()
            ledger.execute("COMMIT")
            letters = _Made(rows, mail, raw, self.key)
            lanes.carry(letters, Ear(), lambda: False)
            ledger.execute("BEGIN IMMEDIATE")
            ledger.executemany("UPDATE ledger SET state = ?, reply = ?, lease = NULL WHERE id = ?", results)
            ledger.execute("COMMIT")
            results.clear()
        lanes.close()
        [left] = ledger.execute("SELECT count(*) FROM ledger WHERE id BETWEEN ? AND ? AND state <> 'sent'", (first, last)).fetchone()
        assert left == 0, f"{left} were not sent"


class _Made(deque[Any]):
    """Rows that become letters as they are asked for; signed each on its own where there is a key."""

    def __init__(self, rows: list[Any], mail: Mail, raw: bytes, key: str | None) -> None:
        super().__init__(rows)
        self.mail, self.raw, self.key = mail, raw, key

    def popleft(self) -> Letter:
        row = super().popleft()
        mail = self.mail if self.key is None else Mail(dkim.sign(self.raw, DOMAIN, "bench", self.key))
        return Letter(row[0], "bench@acme.test", row[1], mail)


# --- Mailroom ------------------------------------------------------------------------------------------------


class House:
    """An application on a fresh SQLite database, its rows put in directly; drains run in processes of their own."""

    def __init__(self, folder: Path, port: int, own: bool) -> None:
        self.own = own
        self.settings = load_settings(
            {
                "MAILROOM_INSTANCE": str(folder), "DATABASE_URL": f"sqlite:///{folder}/mailroom.sqlite", "REDIS_URL": "redis://127.0.0.1:1/0",
                "MAILROOM_HOSTNAME": "mail.acme.test", "MAILROOM_SECRET_KEY": "a key for benchmarks that is long enough to be one",
                "MAILROOM_TRANSPORT": f"smtp://127.0.0.1:{port}",
            },
            dotenv=None,
        )  # fmt: skip
        app = create_app(self.settings)
        migrate.upgrade(app)
        with app.app_context():
            begin_writing()
            db.session.add(Workspace(name="Acme"))
            db.session.commit()
            db.engine.dispose()
        self.next = 1

    def fill(self, number: int) -> None:
        app = create_app(self.settings)
        with app.app_context():
            begin_writing()
            now = database_now()
            mails = number if self.own else number // BATCH
            each = number // mails
            raws = [store.store_raw(message(SIZE, self.next + n)).id for n in range(mails)]
            first = self.next
            add_mails(now, [(first + n, 1, raws[n], f"{first + n}@acme.test", each) for n in range(mails)])
            add_rows(now, [(1, first + n // each, f"user{n}@example.test") for n in range(number)])
            db.session.commit()
            self.next += mails
            db.engine.dispose()

    def send(self) -> None:
        app = create_app(self.settings)
        with app.app_context():
            begin_writing()
            while not work.drain(time.monotonic() + 30, ("bulk",)):
                pass

    def check(self) -> None:
        with sqlite3.connect(self.settings.instance / "mailroom.sqlite") as file:
            [left] = file.execute("SELECT count(*) FROM deliveries WHERE state <> 'sent'").fetchone()
        assert left == 0, f"{left} were not sent"


def add_mails(now: datetime, mails: Sequence[tuple[int, int, int, str, int]]) -> None:
    """Bulk mails put in directly: (id, workspace, raw, Message-ID, recipients)."""
    names = (
        "id", "workspace_id", "raw_id", "message_id_header", "recipient_count", "envelope_sender", "from_address", "subject", "size_bytes",
        "stream", "kind", "reports", "created_at", "updated_at",
    )  # fmt: skip
    rest = ("bench@acme.test", "bench@acme.test", "load", SIZE, "bulk", "api", "", now, now)
    insert_rows(Outgoing, names, [(*mail, *rest) for mail in mails])


def add_rows(now: datetime, rows: Sequence[tuple[int, int, str]]) -> None:
    """Bulk recipients that are due: (workspace, mail, address)."""
    names = (
        "workspace_id", "outgoing_id", "recipient", "domain", "stream", "state", "attempts", "next_attempt_at", "sent_again", "created_at",
        "updated_at",
    )  # fmt: skip
    insert_rows(Delivery, names, [(*row, "example.test", "bulk", "queued", 0, now, False, now, now) for row in rows])


def timed(jobs: list[Callable[[], None]]) -> float:
    """Seconds from the first to the last; each in a process of its own, whose start is not counted."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(len(jobs) + 1)

    def run(job: Callable[[], None]) -> None:
        barrier.wait()
        job()

    processes = [context.Process(target=run, args=(job,)) for job in jobs]
    for process in processes:
        process.start()
    barrier.wait()
    began = time.perf_counter()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("a sender failed")
    return time.perf_counter() - began


def compare(case: str, port: int, workers: int, mails: int, rounds: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="mailroom-outbound-"))
    try:
        house, ceiling = House(folder, port, own=case == "own"), Ceiling(folder, port, None)
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(rounds):
            house.fill(mails)
            ours.append(mails / timed([house.send] * workers))
            house.check()
            ceiling.fill(mails)
            share = mails // workers
            theirs.append(mails / timed([partial(ceiling.send, n * share + 1, (n + 1) * share) for n in range(workers)]))
        ratio = median([mine / other for mine, other in zip(ours, theirs, strict=True)])
        say(bench="outbound", case=case, workers=workers, mailroom_per_s=median(ours, 0), ceiling_per_s=median(theirs, 0), ratio=ratio)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    sink = Sink()
    try:
        for case in ("one", "own"):
            for workers in (1, 2):
                compare(case, sink.port, workers, MAILS, ROUNDS)
    finally:
        sink.process.kill()
        sink.process.wait()


if __name__ == "__main__":
    sys.exit(main())
