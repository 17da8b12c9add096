"""One run of the kill test: start an installation, let mail through it, break everything, wait until it is quiet, and account for all.

    play(Play(seed=7, mails_in=400, recipients_out=800, lasts_s=20, database="sqlite"), folder) ─> Report
"""

import random
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from tests.faults import account, deeds
from tests.faults.account import Books, Verdict
from tests.faults.deeds import Stage
from tests.faults.house import DOMAIN, House, SmallDisk
from tests.faults.letters import make_letters
from tests.faults.schedule import Schedule
from tests.faults.senders import ApiSender, Ledger, Sender, SmtpSender
from tests.faults.servers import safe_database
from tests.faults.sink import TROUBLE, Sink
from tests.servers import PostgresServer
from webapp.core.blobs import FolderBlobs

STRANGERS, POSTERS = 4, 3


@dataclass(frozen=True)
class Play:
    """What is played. `lasts_s`: over how many seconds the mail comes in; `pause_s`: the longest pause between two deeds."""

    seed: int
    mails_in: int
    recipients_out: int
    lasts_s: float
    database: str = "sqlite"
    pause_s: float = 2.0
    longest_s: float = 3.0
    clock: bool = True
    patience_s: float = 300.0
    #: the deeds that are done; None: all that can be
    deeds: tuple[str, ...] | None = None


@dataclass
class Report:
    play: Play
    verdict: Verdict
    done: dict[str, int]
    log: list[tuple[float, str]]
    misdeeds: dict[str, int]
    missing: list[str]
    later: dict[str, int]
    seconds: float
    traffic_s: float
    quiet_s: float
    notes: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return sum(number for name, number in self.done.items() if name.startswith("kill"))


def play(asked: Play, folder: Path, server: PostgresServer | None = None) -> Report:
    """raises AssertionError when the installation cannot be started or never becomes quiet"""
    began = time.monotonic()
    with ExitStack() as stack:
        disk = SmallDisk(folder / "house", 300 + (asked.mails_in + asked.recipients_out) // 30)
        stack.callback(disk.close)
        url = _database(asked, folder, server)
        sink = Sink(folder / "received.jsonl", asked.seed)
        stack.callback(sink.stop)
        house = House(folder / "house", sink_port=sink.port, database_url=url if asked.database == "postgres" else None, clock=asked.clock)
        house.log = folder / "log.txt"
        house.start(60)
        stack.callback(house.stop)
        stage = Stage(house, sink, disk, server, url, random.Random(asked.seed), longest_s=asked.longest_s)
        ledger = Ledger(folder / "sent.jsonl")
        stack.callback(ledger.close)
        return _perform(asked, stage, ledger, house.furnish(), began)


def _database(asked: Play, folder: Path, server: PostgresServer | None) -> str:
    if asked.database == "postgres":
        assert server is not None
        return safe_database(server, f"faults_{asked.seed}_{int(time.time() * 1000)}")
    return f"sqlite:///{folder}/house/instance/mailroom.sqlite"


def _perform(asked: Play, stage: Stage, ledger: Ledger, things: dict[str, Any], began: float) -> Report:
    traffic_began = time.monotonic()
    give_up = threading.Event()
    senders = _senders(asked, stage.house, ledger, things, give_up)
    stage.sink.trouble = TROUBLE
    schedule = Schedule(stage, asked.pause_s, asked.lasts_s, asked.deeds)
    for thread in (*senders, schedule):
        thread.start()
    try:
        _wait_for(senders, traffic_began + asked.lasts_s + asked.patience_s)
        schedule.over.set()
        schedule.join(asked.patience_s)
        stage.sink.trouble = {}
        _wait_for(senders, traffic_began + asked.lasts_s + asked.patience_s)
    finally:
        give_up.set()
        schedule.over.set()
        for sender in senders:
            sender.join(60)
    traffic_s = time.monotonic() - traffic_began
    problems = [thread.problem for thread in (*senders, schedule) if thread.problem]
    engine = create_engine(stage.database_url)
    quiet_began = time.monotonic()
    try:
        notes = _until_quiet(engine, stage, asked.patience_s)
        quiet_s = time.monotonic() - quiet_began
        blobs = FolderBlobs(stage.house.folder / "instance" / "blobs")
        with engine.connect() as connection:
            verdict = account.check(Books(connection, blobs, ledger, stage.sink, stage.on_wire + stage.sink.in_doubt))
            if asked.database == "sqlite":
                found = connection.execute(text("PRAGMA integrity_check")).scalars().all()
                verdict.must("damages that SQLite finds", [line for line in found if line != "ok"])
    finally:
        engine.dispose()
    audit = stage.house.run("audit", "verify")
    verdict.must("breaks of the audit chain", [audit.stdout + audit.stderr] if audit.returncode else [])
    verdict.must("problems of the test itself", problems)
    return Report(
        asked, verdict, dict(sorted(stage.done.items())), schedule.log, dict(sorted(stage.sink.misdeeds.items())), deeds.missing(stage),
        dict(sorted(ledger.later.items())), time.monotonic() - began, traffic_s, quiet_s, notes,
    )  # fmt: skip


def _senders(asked: Play, house: House, ledger: Ledger, things: dict[str, Any], give_up: threading.Event) -> list[Sender]:
    letters = make_letters(asked.seed, asked.mails_in, asked.recipients_out)
    ledger.letters = {letter.key: letter for letter in letters}
    common = (asked.lasts_s, give_up)
    login = (f"sender@{DOMAIN}", things["sender"]["password"])
    senders: list[Sender] = []
    for part in _dealt(ledger.of("in"), STRANGERS):
        senders.append(SmtpSender(ledger, part, *common, port=house.smtp))
    for part in _dealt(ledger.of("smtp"), 2):
        senders.append(SmtpSender(ledger, part, *common, port=house.submission, login=login))
    for part in _dealt(ledger.of("api"), POSTERS):
        path = f"/mailboxes/{things['sender']['id']}/mail/send"
        senders.append(ApiSender(ledger, part, *common, client=lambda: house.client(things["token"]), path=path))
    return senders


def _dealt(letters: list[Any], hands: int) -> Iterator[list[Any]]:
    for hand in range(hands):
        if letters[hand::hands]:
            yield letters[hand::hands]


def _wait_for(threads: list[Sender], ends: float) -> None:
    for thread in threads:
        while thread.is_alive() and time.monotonic() < ends:
            thread.join(0.2)


#: what still has to happen; the account begins when all of them say 0
WAITING = {
    "messages to be read": "SELECT count(*) FROM messages WHERE state = 'received'",
    "routes to be asked": "SELECT count(*) FROM route_plans",
    "runs to be worked off": "SELECT count(*) FROM runs WHERE next_attempt_at IS NOT NULL",
    "deliveries on their way": "SELECT count(*) FROM deliveries WHERE state = 'leased' OR next_attempt_at IS NOT NULL",
}
#: a wait that the product set itself ends now: later tries and second tries after a doubt; what is due already is not touched
SHORTEN = """UPDATE {table} SET next_attempt_at = {now} WHERE next_attempt_at > {soon} AND {which}"""


def _until_quiet(engine: Engine, stage: Stage, patience_s: float) -> list[str]:
    """Wait until nothing is due any more; waits of minutes and hours are cut short meanwhile. returns remarks"""
    house = stage.house
    if house.process is None or house.process.poll() is not None:
        house.bring_up()
    ends = time.monotonic() + patience_s
    shortened = 0
    while time.monotonic() < ends:
        try:
            shortened += _cut_waits_short(engine)
            with engine.connect() as connection:
                left = {what: number for what, query in WAITING.items() if (number := connection.execute(text(query)).scalar_one())}
            if not left:
                return [f"{shortened} waits for a later try were cut short"]
        except SQLAlchemyError as error:
            left = {str(error)[:200]: 1}
        time.sleep(0.5)
    return [f"after {patience_s:.0f} s there were still: {left}"]


def _cut_waits_short(engine: Engine) -> int:
    """Later tries come now. Rows that wait for nothing but a worker are left alone, so that a frozen queue shows."""
    now, soon = ("strftime('%Y-%m-%d %H:%M:%f000', 'now')", "strftime('%Y-%m-%d %H:%M:%f000', 'now', '+2 seconds')")
    if engine.dialect.name == "postgresql":
        now, soon = "now()", "now() + interval '2 seconds'"
    number = 0
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA busy_timeout = 10000")
        for table, which in (("deliveries", "state IN ('deferred', 'uncertain')"), ("runs", "step >= 0 AND status = 'running'")):
            result: Any = connection.execute(text(SHORTEN.format(table=table, now=now, soon=soon, which=which)))
            number += int(result.rowcount)
        connection.commit()
    return number


@contextmanager
def own_folder(folder: Path) -> Iterator[Path]:
    """For runs by hand: the folder goes away afterwards, unless something went wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
