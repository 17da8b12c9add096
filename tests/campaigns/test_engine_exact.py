"""Exactly once: killed at each fail point, two workers at once, twins, deletions and unsubscriptions while it is sent."""

import os
import random
import re
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.conftest import DATABASES
from tests.factories.campaigns import add_people, again, make_campaign, make_group, make_people, send
from tests.factories.sending import Script, Sink, make_due, use_transport
from tests.faults import forked
from tests.faults.forked import Day
from webapp.campaigns import engine, expansion, life, tallies
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, GroupMember
from webapp.core.db import begin_writing, database_now, db
from webapp.processes import aftermath
from webapp.sending.models import Delivery
from webapp.suppressions.adding import New, add_many

KILLED = -signal.SIGKILL
PEOPLE = 24
#: points that a campaign reaches; those of its own are read from the source, so that a new one is tested by being there
OTHERS = (
    "wire.before_note", "wire.noted", "wire.notes_gone", "send.before_connect", "send.answered", "send.answer_noted", "send.before_commit",
    "send.committed", "queue.flag_taken", "recover.begin", "recover.before_commit", "recover.committed",
)  # fmt: skip
#: died here, a copy may be on the wire of each connection
MAY_DOUBT = ("wire.", "send.answered", "send.answer_noted")


def own_points() -> list[str]:
    folder = Path(engine.__file__).parent
    hits = re.compile(r'failpoints\.hit\(\s*"(campaign\.[a-z_]+)"')
    return sorted({name for file in folder.rglob("*.py") for name in hits.findall(file.read_text(encoding="utf-8"))})


def cases() -> Any:
    """Every point on SQLite; on PostgreSQL every sixth one, or all of them with FAULTS=all."""
    each = {"sqlite": 1, "postgres": 1 if os.environ.get("FAULTS") == "all" else 6}
    for database in DATABASES:
        for point in (*own_points(), *OTHERS)[:: each[database]]:
            yield pytest.param(database, point, id=f"{database}-{point}")


def account(sink: Sink, campaign: Campaign, number: int, doubts: int) -> None:
    """Everybody has a row and got one copy, but for those who stand by name under uncertain."""
    rows = db.session.scalars(select(Delivery).where(Delivery.campaign_id == again(campaign).id)).all()
    assert {row.recipient for row in rows} == {f"p{n}@example.org" for n in range(number)} and len(rows) == number
    states = Counter(row.state for row in rows)
    assert set(states) <= {"sent", "uncertain"} and states["uncertain"] <= doubts, states
    copies = Counter(sink.recipients)
    unsure = {row.recipient for row in rows if row.state == "uncertain"}
    assert all(copies[row.recipient] == 1 for row in rows if row.state == "sent"), copies
    assert all(copies[recipient] <= 1 for recipient in unsure)
    assert {state: n for state, n in tallies.states(campaign).items() if n} == dict(states)
    assert again(campaign).state == "sent" and again(campaign).recipients_count == number


@pytest.mark.faults
@pytest.mark.parametrize(("app", "point"), list(cases()), indirect=["app"])
def test_c22_killed_at_each_fail_point_everybody_gets_it_once(app: Any, alice: Any, point: str) -> None:
    with Sink() as sink:
        use_transport(app, sink.url)
        group = make_group(alice)
        make_people(alice, group, PEOPLE)
        campaign = prepare(alice, group, point)
        if point.startswith("recover."):
            assert die(app, "campaign.claimed=kill@1") == KILLED
        third = point in ("wire.noted", "send.answered", "send.answer_noted")
        assert die(app, f"{point}=kill@{3 if third else 1}") == KILLED, f"nothing reaches {point}"
        assert forked.live(app, Day(), until_nothing_waits=True).code == 0
        begin_writing()
        account(sink, campaign, PEOPLE, doubts=4 if point.startswith(MAY_DOUBT) else 0)


def prepare(alice: Any, group: Any, point: str) -> Campaign:
    """A campaign that reaches the point: one whose time comes, one that was paused, or one that was just sent."""
    if point == "campaign.started":
        return make_campaign(alice, group, state="scheduled", schedule_at=database_now())
    campaign = send(alice, make_campaign(alice, group))
    if point == "campaign.standing_moved":
        life.pause(alice.actor, campaign.id)
        life.resume(alice.actor, campaign.id)
        db.session.commit()
    return campaign


def die(app: Any, points: str) -> int:
    ended = forked.live(app, Day(), points)
    if ended.code == KILLED:
        aftermath.clear_up(app, ended.pid)
        begin_writing()
    return ended.code


def test_c28_two_workers_share_a_campaign(app: Any, alice: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(expansion, "FIRST", 7)
    monkeypatch.setattr(expansion, "BATCH", 7)
    with Sink() as sink:
        use_transport(app, sink.url)
        group = make_group(alice)
        make_people(alice, group, 120)
        campaign = send(alice, make_campaign(alice, group))
        db.session.remove()
        children = [worker(app) for _ in range(2)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        begin_writing()
        assert codes == [0, 0]
        while engine.is_due():
            forked.work_off()
        account(sink, campaign, 120, doubts=0)
        owners = {name.split(":")[0] for name in db.session.scalars(select(Delivery.host))}
        assert owners == {"127.0.0.1"}


def worker(app: Any) -> int:
    """A process that drains until nothing is due."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        forked.db_of_child(app)
        with app.app_context():
            begin_writing()
            forked.work_off()
        code = 0
    finally:
        os._exit(code)


def test_c30_random_pauses_and_resumptions_lose_and_double_nobody(app: Any, alice: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(expansion, "FIRST", 9)
    monkeypatch.setattr(expansion, "BATCH", 9)
    chance = random.Random(30)
    with Sink() as sink:
        use_transport(app, sink.url)
        group = make_group(alice)
        make_people(alice, group, 90)
        campaign = send(alice, make_campaign(alice, group))
        over = threading.Event()
        person = threading.Thread(target=press_buttons, args=(app, alice.actor, campaign.id, chance, over))
        person.start()
        try:
            for _ in range(400):
                forked.work_off()
                if again(campaign).state == "sent":
                    break
                over.wait(0.005)
        finally:
            over.set()
            person.join(30)
        begin_writing()
        if again(campaign).state == "paused":
            life.resume(alice.actor, campaign.id)
            db.session.commit()
        forked.work_off()
        account(sink, campaign, 90, doubts=0)
        assert len(sink.recipients) == len(set(sink.recipients)) == 90


def press_buttons(app: Any, actor: Any, campaign_id: int, chance: random.Random, over: threading.Event) -> None:
    """Somebody who cannot decide."""
    with app.app_context():
        begin_writing()
        for _ in range(12):
            for verb in ("pause", "resume"):
                if db.session.scalar(select(Campaign.state).where(Campaign.id == campaign_id)) in life.POSSIBLE[verb]:
                    getattr(life, verb)(actor, campaign_id)
                db.session.commit()
                over.wait(chance.uniform(0.0, 0.02))
        db.session.remove()


def test_c31_whoever_is_on_several_lists_or_was_merged_gets_one_copy(app: Any, alice: Any, work_off: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(expansion, "FIRST", 2)
    with Sink() as sink:
        use_transport(app, sink.url)
        groups = [make_group(alice) for _ in range(5)]
        ids = make_people(alice, groups[0], 4)
        db.session.add_all([GroupMember(contact_id=one, group_id=group.id) for one in ids for group in groups[1:]])
        db.session.commit()
        campaign = send(alice, make_campaign(alice, *groups))
        claim = expansion.claim

        def merged(*given: Any) -> Any:
            """After the first two are taken, the last contact gets the address of the first, which is gone."""
            found = claim(*given)
            db.session.commit()
            db.session.execute(update(Contact).where(Contact.id == ids[0]).values(address="gone@example.org"))
            db.session.execute(update(Contact).where(Contact.id == ids[3]).values(address="p0@example.org"))
            return found

        monkeypatch.setattr(expansion, "claim", merged)
        work_off()
        assert Counter(sink.recipients) == {"p0@example.org": 1, "p1@example.org": 1, "p2@example.org": 1}
        assert again(campaign).state == "sent" and again(campaign).skipped_count == 1 and again(campaign).recipients_count == 3


def test_c32_whole_slices_of_skipped_people_do_not_stop_it(app: Any, alice: Any, work_off: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(expansion, "FIRST", 5)
    monkeypatch.setattr(expansion, "BATCH", 5)
    with Sink() as sink:
        use_transport(app, sink.url)
        group, other = make_group(alice), make_group(alice)
        add_people(alice, group, ["first@example.org"])
        add_people(alice, group, [f"left{n}@example.org" for n in range(23)], subscribed=False)
        barred = [f"barred{n}@example.org" for n in range(17)]
        add_people(alice, group, barred)
        add_people(alice, other, [f"other{n}@example.org" for n in range(20)])
        add_people(alice, group, ["last@example.org"])
        add_many(alice.workspace.id, [New(address, "manual", "bulk", "page", None, None) for address in barred])
        campaign = send(alice, make_campaign(alice, group))
        work_off()
        assert sorted(sink.recipients) == ["first@example.org", "last@example.org"]
        assert again(campaign).state == "sent" and again(campaign).skipped_count == 40


def test_whoever_leaves_while_it_is_sent_gets_nothing_more(app: Any, alice: Any, work_off: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(expansion, "FIRST", 3)
    later = {f"p{n}@example.org": b"450 4.2.0 later\r\n" for n in range(3)}
    with Sink(Script(rcpt=later)) as sink:
        use_transport(app, sink.url)
        group = make_group(alice)
        ids = make_people(alice, group, 6)
        campaign = send(alice, make_campaign(alice, group))
        claim = expansion.claim

        def left(*given: Any) -> Any:
            """After the first three are taken: p0 and p3 are deleted, p1 and p4 unsubscribe."""
            found = claim(*given)
            db.session.commit()
            db.session.query(Contact).filter(Contact.id.in_([ids[0], ids[3]])).delete()
            db.session.execute(update(Contact).where(Contact.id.in_([ids[1], ids[4]])).values(subscribed=False))
            return found

        monkeypatch.setattr(expansion, "claim", left)
        work_off()
        sink.script.rcpt.clear()
        make_due()
        work_off()
        assert sorted(sink.recipients) == ["p2@example.org", "p5@example.org"]
        found = db.session.scalars(select(Delivery).where(Delivery.campaign_id == campaign.id))
        rows = {row.recipient: (row.state, row.last_error) for row in found}
        assert rows["p0@example.org"] == ("cancelled", "The contact was deleted before it went.")
        assert rows["p1@example.org"] == ("cancelled", "The contact unsubscribed before it went.")
        assert again(campaign).state == "sent" and set(rows) == {f"p{n}@example.org" for n in (0, 1, 2, 5)}
