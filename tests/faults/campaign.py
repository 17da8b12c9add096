"""The kill test of campaigns: somebody presses pause and resume at random while parts of the installation are killed, and every address is
accounted for at the end.

    parts    a campaign while web, SMTP, scheduler and Redis die, and Redis is emptied: nobody may be in doubt
    workers  a campaign while the processes that send it die, one at a time and all together: in doubt by name, few, and nearly all arrived

The receiver takes each mail slowly, so that deaths meet mail on the wire, and sends some away for now.
"""

import asyncio
import os
import random
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from tests.faults import deeds
from tests.faults.account import Verdict
from tests.faults.deeds import Stage
from tests.faults.house import DOMAIN, House, SmallDisk
from tests.faults.report import DOCUMENT as DOCUMENT
from tests.faults.run import _cut_waits_short
from tests.faults.servers import safe_database
from tests.faults.sink import Sink
from tests.servers import PostgresServer

#: what the receiver does to some mails; nothing that leaves a doubt, so that each doubt is a kill's
AWAY = {"later_rcpt": 0.004, "later_dot": 0.004, "closing_421": 0.001}
OTHERS = ("kill web", "kill smtp", "kill scheduler", "kill redis", "flush redis")
SENDERS = ("kill worker-1", "kill worker-2", "kill worker-1", "kill worker-2", "kill up")
#: what the environment may name beside seed, database and length
NAMES = ("RECIPIENTS", "KILLS", "STEPS")
#: copies that one death of a worker may leave in doubt
PER_KILL = 8
HTML = '<html><body><p>Hello {{contact.first_name}}</p><a href="https://acme.test/news">News</a></body></html>'


@dataclass(frozen=True)
class Campaigning:
    """What is played: recipients of both campaigns together, kills of workers, steps by the person, seconds that it is to last."""

    seed: int
    recipients: int
    kills: int
    steps: int
    lasts_s: float
    database: str = "sqlite"
    others: tuple[str, ...] = OTHERS
    patience_s: float = 300.0


@dataclass
class Part:
    """One campaign: its letter's share of the people, what was done meanwhile, what came of it."""

    name: str
    campaign_id: int
    recipients: int
    done: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


@dataclass
class Outcome:
    asked: Campaigning
    verdict: Verdict
    parts: list[Part]
    seconds: float
    misdeeds: dict[str, int]

    @property
    def kills(self) -> int:
        return sum(number for part in self.parts for name, number in part.done.items() if name.startswith("kill"))


class SlowSink(Sink):
    """Takes each mail after a while: it is whole here by then, whatever becomes of its sender."""

    pace_s = 0.0

    async def _data(self, reader: Any, writer: Any, recipients: list[str], misdeed: str) -> bool:
        if self.pace_s:
            writer.write(b"")
            await asyncio.sleep(self.pace_s * self._chance.random() * 2)
        return await super()._data(reader, writer, recipients, misdeed)


class Person(threading.Thread):
    """Presses pause and resume at random, over the API; what finds nobody there is pressed again."""

    def __init__(self, house: House, token: str, part: Part, steps: int, lasts_s: float, chance: random.Random) -> None:
        super().__init__(daemon=True, name="person")
        self.house, self.token, self.part, self.number, self.lasts_s, self.chance = house, token, part, steps, lasts_s, chance
        self.over = threading.Event()
        self.problem = ""

    def run(self) -> None:
        pause_s = self.lasts_s / max(1, self.number)
        try:
            with self.house.client(self.token) as api:
                while sum(self.part.steps.values()) < self.number and not self.over.is_set():
                    for verb in ("pause", "resume"):
                        if not self._press(api, verb):
                            return
                        # it rests paused for a shorter time than it goes on, so that it gets there
                        self.over.wait(self.chance.random() * pause_s * (0.4 if verb == "pause" else 1.6))
        except Exception as error:
            self.problem = f"{type(error).__name__}: {error}"
            raise

    def _press(self, api: httpx.Client, verb: str) -> bool:
        """Until it is so; False when the campaign is at its end."""
        while True:
            try:
                answer = api.post(f"/campaigns/{self.part.campaign_id}/{verb}")
                if answer.status_code == 202:
                    self.part.steps[verb] += 1
                    return True
                if answer.status_code == 409:  # it is so already, or it has ended
                    state = answer.json()["error"]["details"] or answer.json()["error"]
                    now = api.get(f"/campaigns/{self.part.campaign_id}").json()["data"]["status"]
                    if now in ("sent", "cancelled"):
                        return False
                    if now == {"pause": "paused", "resume": "sending"}[verb]:
                        self.part.steps[verb] += 1
                        return True
                    assert now in ("paused", "sending"), (now, state)
            except (httpx.HTTPError, ValueError, KeyError):
                pass
            if self.over.wait(0.1) and verb == "pause":
                return False


def play(asked: Campaigning, folder: Path, server: PostgresServer | None = None) -> Outcome:
    """raises AssertionError when the installation cannot be started"""
    began = time.monotonic()
    with ExitStack() as stack:
        url = f"sqlite:///{folder}/house/instance/mailroom.sqlite"
        if server is not None:
            url = safe_database(server, f"campaigns_{asked.seed}_{int(time.time() * 1000)}")
        sink = SlowSink(folder / "received.jsonl", asked.seed)
        stack.callback(sink.stop)
        house = House(folder / "house", sink_port=sink.port, database_url=url if server is not None else None, clock=False)
        house.folder.mkdir(parents=True, exist_ok=True)
        house.log = folder / "log.txt"
        house.start(60)
        stack.callback(house.stop)
        chance = random.Random(asked.seed)
        disk = SmallDisk(folder / "unused", 1)
        disk.close()  # none of these deeds fills it
        stage = Stage(house, sink, disk, server, url, chance)
        engine = create_engine(url)
        stack.callback(engine.dispose)
        things = house.furnish()
        few = asked.recipients // 5
        parts, problems = [], []
        sink.trouble = AWAY
        for name, number, deed_names, kills in (
            ("parts", few, asked.others, asked.kills // 5), ("workers", asked.recipients - few, SENDERS, asked.kills - asked.kills // 5),
        ):  # fmt: skip
            steps = asked.steps * number // asked.recipients
            lasts_s = asked.lasts_s * number / asked.recipients
            sink.pace_s = 0.8 * lasts_s / number * 8
            part = Part(name, _begin(house, engine, things, name, number), number)
            problems += _perform(asked, stage, things["token"], part, engine, (deed_names, kills, steps, lasts_s))
            parts.append(part)
        sink.pace_s = 0.0
        verdict = check(engine, sink, parts)
        verdict.must("problems of the test itself", problems)
        audit = house.run("audit", "verify")
        verdict.must("breaks of the audit chain", [audit.stdout + audit.stderr] if audit.returncode else [])
        return Outcome(asked, verdict, parts, time.monotonic() - began, dict(sorted(sink.misdeeds.items())))


def _begin(house: House, engine: Engine, things: dict[str, Any], name: str, number: int) -> int:
    """A campaign to so many new people, sent; returns its id."""
    with house.client(things["token"]) as api:
        group = _data(api.post("/contact-groups", json={"name": name}))["id"]
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA busy_timeout = 20000")
            _people(connection, name, number, group)
        campaign = {
            "name": name, "subject": f"{name} for {{{{contact.first_name}}}}", "from_email": f"sender@{DOMAIN}", "from_name": "Acme",
            "body_html": HTML, "recipient_groups": [group], "email_account_id": things["sender"]["id"],
        }  # fmt: skip
        campaign_id: int = _data(api.post("/campaigns", json=campaign))["id"]
        _data(api.post(f"/campaigns/{campaign_id}/send"))
    return campaign_id


def _people(connection: Any, name: str, number: int, group: int) -> None:
    """Contacts NAME-0@peer.test …, put in directly; their counters are nobody's business here."""
    workspace = connection.execute(text("SELECT workspace_id FROM contact_groups WHERE id = :id"), {"id": group}).scalar_one()
    now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')" if connection.dialect.name == "sqlite" else "now()"
    columns = "workspace_id, email, address, domain, name, first_name, custom_fields, subscribed, source, is_indexed, created_at"
    values = f":workspace, :address, :address, 'peer.test', :name, :name, '{{}}', true, 'api', true, {now}, {now}"
    columns += ", updated_at"
    rows = [{"workspace": workspace, "address": f"{name}-{n}@peer.test", "name": f"N{n}"} for n in range(number)]
    connection.execute(text(f"INSERT INTO contacts ({columns}) VALUES ({values})"), rows)
    members = "INSERT INTO contact_group_members (contact_id, group_id) SELECT id, :group FROM contacts WHERE address LIKE :like"
    connection.execute(text(members), {"group": group, "like": f"{name}-%@peer.test"})


def _data(answer: Any) -> Any:
    assert answer.status_code < 300, answer.text
    return answer.json()["data"]


def _perform(
    asked: Campaigning, stage: Stage, token: str, part: Part, engine: Engine, much: tuple[tuple[str, ...], int, int, float]
) -> list[str]:
    """Kill and press until there was enough of both, then wait until the campaign is sent. returns problems"""
    names, kills, steps, lasts_s = much
    began = time.monotonic()
    person = Person(stage.house, token, part, steps, lasts_s, stage.chance)
    person.start()
    known = deeds.available(stage)
    known["kill worker-1"], known["kill worker-2"] = deeds.kill_part("worker-1"), deeds.kill_part("worker-2")
    before = Counter(stage.done)
    while sum(part.done.values()) < kills and time.monotonic() < began + lasts_s * 3 + 60:
        if _state(engine, part.campaign_id) == "sent":
            break
        time.sleep(stage.chance.uniform(0.2, 1.8) * lasts_s / max(1, kills))
        said = known[stage.chance.choice(names)](stage)
        if not said and "kill up" in names:  # the dead are started ever later, until their parent is a new one
            said = deeds.kill_parent(stage)
        if said:
            part.done[said] += 1
    person.join(lasts_s * 2 + 60)
    person.over.set()
    person.join(60)
    problems = [person.problem] if person.problem else []
    problems += _finish(asked, stage, token, part, engine)
    part.seconds = time.monotonic() - began
    assert before == stage.done
    return problems


def _finish(asked: Campaigning, stage: Stage, token: str, part: Part, engine: Engine) -> list[str]:
    """Resume what is paused, cut the waits of put-off copies short, wait for the end."""
    ends = time.monotonic() + asked.patience_s
    state = ""
    while time.monotonic() < ends:
        try:
            state = _state(engine, part.campaign_id)
            if state == "sent":
                return []
            if state == "paused":
                with stage.house.client(token) as api:
                    api.post(f"/campaigns/{part.campaign_id}/resume")
            _cut_waits_short(engine)
        except (SQLAlchemyError, httpx.HTTPError):
            pass
        if stage.house.process is None or stage.house.process.poll() is not None:
            stage.house.bring_up()
        time.sleep(0.3)
    return [f"the campaign {part.name} is {state} after {asked.patience_s:.0f} s"]


def _state(engine: Engine, campaign_id: int) -> str:
    try:
        with engine.connect() as connection:
            return str(connection.execute(text("SELECT state FROM campaigns WHERE id = :id"), {"id": campaign_id}).scalar_one())
    except SQLAlchemyError:
        return ""


# --- the account ------------------------------------------------------------------------------------------


def check(engine: Engine, sink: Sink, parts: list[Part]) -> Verdict:
    """Every address once, or by name under uncertain."""
    verdict = Verdict()
    copies = Counter(one.recipient for one in sink.stored)
    with engine.connect() as connection:
        for part in parts:
            _check(connection, copies, part, verdict)
    verdict.must("copies that no address stands for", list(copies))
    return verdict


def _check(connection: Any, copies: Counter[str], part: Part, verdict: Verdict) -> None:
    query = text("SELECT recipient, state, last_error FROM deliveries WHERE campaign_id = :id")
    rows = list(connection.execute(query, {"id": part.campaign_id}))
    wanted = {f"{part.name}-{n}@peer.test" for n in range(part.recipients)}
    states = Counter(row.state for row in rows)
    label = part.name
    verdict.figures.update({f"{label}: {state}": number for state, number in sorted(states.items())})
    found = Counter(row.recipient for row in rows)
    verdict.must(f"{label}: addresses without a row", sorted(wanted - set(found)))
    verdict.must(f"{label}: addresses with two rows, or not of the audience", [one for one in found if found[one] > 1 or one not in wanted])
    verdict.must(f"{label}: rows without an end", [tuple(row) for row in rows if row.state not in ("sent", "uncertain")])
    sent = [row.recipient for row in rows if row.state == "sent"]
    verdict.must(f"{label}: sent, and not at the receiver", [one for one in sent if not copies[one]])
    verdict.must(f"{label}: copies too many", [(one, copies[one]) for one in found if copies[one] > 1])
    unsure = [row.recipient for row in rows if row.state == "uncertain"]
    arrived = sum(copies[one] == 1 for one in unsure)
    verdict.figures[f"{label}: of the uncertain ones at the receiver"] = arrived
    if len(unsure) - arrived > max(1, len(unsure) // 100):
        verdict.wrong.append(f"{label}: only {arrived} of {len(unsure)} uncertain copies reached the receiver")
    deaths = sum(number for name, number in part.done.items() if name == "kill -9 worker") + 2 * part.done["kill -9 up"]
    verdict.figures[f"{label}: most that may be uncertain"] = deaths * PER_KILL
    if len(unsure) > deaths * PER_KILL:
        verdict.wrong.append(f"{label}: {len(unsure)} are uncertain, and {deaths * PER_KILL} may be")
    query = text("SELECT name, number FROM counters WHERE name LIKE :like")
    counted = {row.name.rpartition(":")[2]: row.number for row in connection.execute(query, {"like": f"campaign:{part.campaign_id}:%"})
               if row.name.count(":") == 2 and row.number}  # fmt: skip
    wrong = [(state, counted.get(state, 0), states[state]) for state in {*states, *counted} if counted.get(state, 0) != states[state]]
    verdict.must(f"{label}: counters that are not the rows (state, counter, rows)", wrong)
    query = text("SELECT count(*) FROM events WHERE campaign_id = :id AND type = 'sent'")
    told = connection.execute(query, {"id": part.campaign_id}).scalar_one()
    verdict.must(f"{label}: events sent that are not the rows (events, rows)", [] if told == states["sent"] else [(told, states["sent"])])
    for one in wanted:
        copies.pop(one, None)


def text_of(outcome: Outcome, command: str) -> str:
    """Markdown that reads well as plain text too."""
    asked, verdict = outcome.asked, outcome.verdict
    lines = [f"`{command}`", "", f"**{'Every promise was kept.' if not verdict.wrong else f'{len(verdict.wrong)} promises were broken.'}**"]
    lines += [f"- {line}" for line in verdict.wrong]
    played = f"{asked.recipients:,} recipients, {asked.database}, seed {asked.seed}"
    lines += ["", f"{played}: {outcome.kills} kills, {outcome.seconds:.0f} s in all."]
    for part in outcome.parts:
        done = {**part.done, **{f"{verb}d" if verb.endswith("e") else verb: number for verb, number in part.steps.items()}}
        lines += ["", f"| {part.name}: {part.recipients:,} recipients in {part.seconds:.0f} s | times |", "|---|---|"]
        lines += [f"| {name} | {number} |" for name, number in sorted(done.items())]
    lines += [f"| receiver: {name.replace('_', ' ')} | {number} |" for name, number in outcome.misdeeds.items()]
    lines += ["", "| account | |", "|---|---|", *[f"| {name} | {number:,} |" for name, number in verdict.figures.items()]]
    return "\n".join(lines) + "\n"


def asked_for() -> Campaigning:
    """The play that the environment names."""
    short = os.environ.get("LENGTH") == "short"
    many = (1_000, 10, 24, 20.0) if short else (50_000, 200, 500, 900.0)
    recipients, kills, steps = (int(os.environ.get(name) or number) for name, number in zip(NAMES, many, strict=False))
    seed, lasts_s = int(os.environ.get("SEED") or time.time() % 100_000), float(os.environ.get("LASTS") or many[3])
    return Campaigning(seed, recipients, kills, steps, lasts_s, os.environ.get("DATABASE") or "sqlite")
