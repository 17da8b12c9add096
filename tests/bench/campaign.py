"""A campaign end to end, against the ceiling of bare Python and against what one writes first, in turn in the same run.

Run: python -m tests.bench campaign        needs smtp-sink (Debian: postfix); all on loopback, SQLite with synchronous=FULL

    RECIPIENTS=10000 ROUNDS=3 SIGN=none,rsa,both WORKERS=1,2 DATABASE=sqlite|postgres RIVALS=ceiling,straightforward STAGES=1
    PEER_PYTHON=/path/to/bin/python     has django and django-post_office, which then sends too (unsigned, two processes)

Everybody gets the same letter: 10 KB of HTML with a text part, personalised, five tracked links, a pixel, unsubscribe headers. Mailroom
does all that it does in service: ledger, suppression list, events, attempts, counters, results by domain; its workers are processes that
run the drain. The clock runs from `send` to the last recorded result. STAGES prints where one worker's time went.
"""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.bench import campaign_rivals as rivals
from tests.bench.common import median, say
from tests.bench.outbound import Sink
from tests.servers import PostgresServer, RedisServer
from webapp import create_app
from webapp.accounts.models import Workspace
from webapp.campaigns import copies, engine, expansion, life
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, ContactGroup, GroupMember
from webapp.core import heap, migrate
from webapp.core.actor import Actor
from webapp.core.bulk import insert_rows
from webapp.core.db import begin_writing, db, utcnow
from webapp.domains.models import DkimKey, Domain
from webapp.mail import dkim
from webapp.mail.smtp_lanes import Lanes
from webapp.mail.smtp_line import Line
from webapp.mailboxes.models import Mailbox
from webapp.sending import ledger, wire
from webapp.sending.fleet import fleet
from webapp.settings import load_settings
from webapp.suppressions.adding import New, add_many

RECIPIENTS, ROUNDS = int(os.environ.get("RECIPIENTS") or 10_000), int(os.environ.get("ROUNDS") or 3)
SIGNED = (os.environ.get("SIGN") or "none,rsa,both").split(",")
WORKERS = [int(number) for number in (os.environ.get("WORKERS") or "1,2").split(",")]
RIVALS = (os.environ.get("RIVALS") or "ceiling,straightforward").split(",")
DATABASE = os.environ.get("DATABASE") or "sqlite"
PEER_PYTHON = os.environ.get("PEER_PYTHON")
ALGORITHMS = {"none": (), "rsa": ("rsa",), "ed25519": ("ed25519",), "both": ("rsa", "ed25519")}
#: addresses on the suppression list, which is asked about everybody; none of them is a contact
BARRED = 1000
#: the straightforward sender gets so many fewer
SHARE = 20


class House:
    """An application with contacts; each round is a new campaign to all of them."""

    def __init__(self, folder: Path, port: int, redis_url: str, database_url: str | None) -> None:
        self.settings = load_settings(
            {
                "MAILROOM_INSTANCE": str(folder), "DATABASE_URL": database_url or f"sqlite:///{folder}/mailroom.sqlite",
                "REDIS_URL": redis_url, "MAILROOM_HOSTNAME": "mail.acme.test", "MAILROOM_PUBLIC_URL": rivals.BASE,
                "MAILROOM_SECRET_KEY": "a key for benchmarks that is long enough to be one", "MAILROOM_TRANSPORT": f"smtp://127.0.0.1:{port}",
            },
            dotenv=None,
        )  # fmt: skip
        app = create_app(self.settings)
        migrate.upgrade(app)
        with app.app_context():
            begin_writing()
            self._furnish()
            db.session.commit()
            if DATABASE == "postgres":
                db.session.execute(text("ANALYZE"))
                db.session.commit()
            db.engine.dispose()
        self.campaign_id = 0

    def _furnish(self) -> None:
        workspace = Workspace(name="Acme", settings={})
        db.session.add(workspace)
        db.session.flush()
        self.workspace_id = workspace.id
        domain = Domain(workspace_id=workspace.id, name="acme.test", verify_token="0" * 32, status="active", verified_at=utcnow())
        db.session.add(domain)
        db.session.flush()
        self.domain_id = domain.id
        values = {"email": "news@acme.test", "local_part": "news", "password_hash": "-"}
        box = Mailbox(workspace_id=workspace.id, domain_id=domain.id, **values)
        group = ContactGroup(workspace_id=workspace.id, name="Everybody")
        db.session.add_all([box, group])
        db.session.flush()
        self.mailbox_id, self.group_id = box.id, group.id
        self._people(workspace.id)
        add_many(workspace.id, [New(f"barred{number}@example.test", "manual") for number in range(BARRED)])

    def _people(self, workspace_id: int) -> None:
        now = utcnow()
        names = (
            "id", "workspace_id", "email", "address", "domain", "name", "first_name", "last_name", "city", "custom_fields", "subscribed",
            "source", "is_indexed", "created_at", "updated_at",
        )  # fmt: skip
        for begin in range(1, RECIPIENTS + 1, 20_000):
            rows = []
            for n in range(begin, min(begin + 20_000, RECIPIENTS + 1)):
                email, first, last, city = rivals.person(n)
                domain = email.partition("@")[2]
                rows.append((n, workspace_id, email, email, domain, f"{first} {last}", first, last, city, {}, True, "api", True, now, now))
            insert_rows(Contact, names, rows)
            insert_rows(GroupMember, ("contact_id", "group_id"), [(row[0], self.group_id) for row in rows])
            db.session.commit()

    def begin(self, keys: dict[str, str]) -> None:
        """A new draft; `keys`: algorithm -> PEM of what signs it."""
        app = create_app(self.settings)
        with app.app_context():
            begin_writing()
            db.session.query(DkimKey).delete()
            for algorithm, pem in keys.items():
                values = {"selector": algorithm, "algorithm": algorithm, "private": pem, "public": "-", "state": "active"}
                db.session.add(DkimKey(workspace_id=self.workspace_id, domain_id=self.domain_id, activated_by="start", **values))
            campaign = Campaign(
                workspace_id=self.workspace_id, name="News", from_email="news@acme.test", from_name="Garden News", subject=rivals.SUBJECT,
                body_html=rivals.HTML, body_text=rivals.TEXT, mailbox_id=self.mailbox_id, group_ids=[self.group_id],
            )  # fmt: skip
            db.session.add(campaign)
            db.session.commit()
            self.campaign_id = campaign.id
            db.engine.dispose()

    def start(self) -> None:
        app = create_app(self.settings)
        with app.app_context():
            begin_writing()
            life.send(Actor.system(self.workspace_id), self.campaign_id)
            db.session.commit()
            db.engine.dispose()

    def worker(self) -> Callable[[], None]:
        """A worker with its application loaded, as they stand ready; it works until nothing is left."""
        app = create_app(self.settings)
        heap.settle()

        def send() -> None:
            with app.app_context():
                begin_writing()
                stages = Stages() if os.environ.get("STAGES") else None
                while not engine.drain(time.monotonic() + 300):
                    pass
                fleet.wait(30)
                if stages is not None:
                    stages.tell()

        return send

    def check(self) -> None:
        app = create_app(self.settings)
        with app.app_context():
            query = "SELECT state, count(*) FROM deliveries WHERE campaign_id = :id GROUP BY state"
            states = {row[0]: row[1] for row in db.session.execute(text(query), {"id": self.campaign_id})}
            query = "SELECT state FROM campaigns WHERE id = :id"
            state = db.session.execute(text(query), {"id": self.campaign_id}).scalar_one()
            db.session.rollback()
            db.engine.dispose()
        assert states == {"sent": RECIPIENTS} and state == "sent", (states, state)


class Stages:
    """Processor time within a few functions of this process; what is left is the way of the letters and the house around it."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.began, self.used = time.perf_counter(), time.process_time()
        for module, name, label in (
            (expansion, "claim", "claim"), (copies.Copies, "__call__", "fill and sign"), (ledger, "record", "record"),
            (Lanes, "carry", "lanes, with fill and sign"), (wire.Notes, "body_begins", "note"), (Line, "write", "write"),
            (Line, "hear", "hear"),
        ):
            self._wrap(module, name, label)
        session: Any = db.session
        self._wrap(session.registry().__class__, "commit", "commit")

    def _wrap(self, owner: Any, name: str, label: str) -> None:
        inner = getattr(owner, name)

        def outer(*given: Any, **more: Any) -> Any:
            began = time.thread_time()
            try:
                return inner(*given, **more)
            finally:
                self.spent[label] = self.spent.get(label, 0.0) + time.thread_time() - began

        setattr(owner, name, outer)

    def tell(self) -> None:
        whole = time.perf_counter() - self.began
        each = {label: round(seconds / RECIPIENTS * 1e6, 1) for label, seconds in self.spent.items()}
        used = time.process_time() - self.used
        say(bench="campaign", stages_us=each, whole_us=round(whole / RECIPIENTS * 1e6, 1), cpu_us=round(used / RECIPIENTS * 1e6, 1))


def raced(makers: list[Callable[[], Callable[[], None]]]) -> tuple[float, float]:
    """(seconds from the first to the last, processor seconds of all); each in a process of its own that is ready before the clock runs."""
    context = multiprocessing.get_context("fork")
    barrier, used = context.Barrier(len(makers) + 1), context.Queue()

    def run(make: Callable[[], Callable[[], None]]) -> None:
        go = make()
        barrier.wait()
        began = time.process_time()
        go()
        used.put(time.process_time() - began)

    processes = [context.Process(target=run, args=(make,)) for make in makers]
    for process in processes:
        process.start()
    barrier.wait()
    began = time.perf_counter()
    spent = sum(used.get(timeout=600) for _ in processes)
    seconds = time.perf_counter() - began
    for process in processes:
        process.join()
    return seconds, spent


def compare(house: House, folder: Path, port: int, signed: str, workers: int, keys: dict[str, str]) -> None:
    """One case, in turn with its rivals."""
    used = {name: keys[name] for name in ALGORITHMS[signed]}
    ceiling = rivals.Ceiling(folder, port, tuple(used.values()))
    ours: list[float] = []
    best: list[float] = []
    plain: list[float] = []
    peer: list[float] = []
    cpu: dict[str, list[float]] = {"mailroom": [], "ceiling": []}
    few = RECIPIENTS // SHARE
    for _ in range(ROUNDS):
        house.begin(used)
        house.start()
        seconds, used_s = raced([house.worker] * workers)
        ours.append(RECIPIENTS / seconds)
        cpu["mailroom"].append(used_s / RECIPIENTS * 1e6)
        house.check()
        share = RECIPIENTS // workers
        if "ceiling" in RIVALS:
            ceiling.fill(RECIPIENTS)
            senders = [partial(ceiling.send, n * share + 1, (n + 1) * share) for n in range(workers)]
            seconds, used_s = raced([lambda send=send: send for send in senders])  # type: ignore[misc]
            best.append(RECIPIENTS / seconds)
            cpu["ceiling"].append(used_s / RECIPIENTS * 1e6)
        if "straightforward" in RIVALS:
            ceiling.fill(few)
            sender = partial(rivals.straightforward, ceiling.file, port, 1, few, used.get("rsa"))
            plain.append(few / raced([lambda sender=sender: sender])[0])  # type: ignore[misc]
        if PEER_PYTHON:
            peer.append(RECIPIENTS / post_office(port))
    say(
        bench="campaign", database=DATABASE, signed=signed, workers=workers, recipients=RECIPIENTS, mailroom_per_s=median(ours, 0),
        cpu_us={name: median(values, 0) for name, values in cpu.items() if values},
        **({"ceiling_per_s": median(best, 0), "of_ceiling": _ratio(ours, best)} if best else {}),
        **({"straightforward_per_s": median(plain, 0), "times_straightforward": _ratio(ours, plain)} if plain else {}),
        **({"post_office_per_s": median(peer, 0), "times_post_office": _ratio(ours, peer)} if peer else {}),
    )  # fmt: skip


def post_office(port: int) -> float:
    """The seconds in which two processes of django-post_office send the same letter to as many."""
    letter = {"subject": rivals.SUBJECT, "text": rivals.TEXT, "html": rivals.HTML}
    given: dict[str, Any] = {name: text.replace("{{contact.", "{{") for name, text in letter.items()}
    given["people"] = [rivals.person(number) for number in range(1, RECIPIENTS + 1)]
    script = Path(__file__).with_name("rival_post_office.py")
    command = [PEER_PYTHON or "", str(script), str(port), str(RECIPIENTS), "2"]
    return float(subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=True).stdout)


def _ratio(ours: list[float], others: list[float]) -> float:
    return median([mine / other for mine, other in zip(ours, others, strict=True)])


def main() -> None:
    sink = Sink()
    folder = Path(tempfile.mkdtemp(prefix="mailroom-campaign-"))
    redis = RedisServer(folder)
    server = PostgresServer(folder) if DATABASE == "postgres" else None
    try:
        url = server.create("bench") if server else None
        house = House(folder, sink.port, redis.url(0), url)
        keys = {name: dkim.new_key(name)[0] for name in ("rsa", "ed25519")}
        for signed in SIGNED:
            for workers in WORKERS:
                compare(house, folder, sink.port, signed, workers, keys)
    finally:
        sink.process.kill()
        sink.process.wait()
        redis.stop()
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    sys.exit(main())
