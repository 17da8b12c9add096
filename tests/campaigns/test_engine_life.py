"""The steps of a campaign: where each is possible, what it needs, what it does to people who were not reached yet."""

import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.factories.campaigns import add_people, again, make_campaign, make_group, make_people, send
from tests.factories.sending import Script, Sink, make_due, use_transport
from webapp.audit.models import AuditEntry
from webapp.campaigns import audience, engine, expansion, finishing, life, tallies, timetable
from webapp.campaigns.models import STATES, Campaign
from webapp.core.db import begin_writing, database_now, db
from webapp.core.errors import Invalid, InvalidState
from webapp.happenings.models import Event
from webapp.mailboxes.models import Mailbox
from webapp.sending.models import Delivery, Outgoing


def step(alice: Any, verb: str, campaign: Campaign) -> Campaign:
    begin_writing()
    done: Campaign = getattr(life, verb)(alice.actor, campaign.id)
    db.session.commit()
    return done


def states_of(campaign: Campaign) -> dict[str, int]:
    found = {state: number for state, number in tallies.states(again(campaign)).items() if number}
    query = select(Delivery.state, func.count()).where(Delivery.campaign_id == campaign.id).group_by(Delivery.state)
    assert found == {row[0]: row[1] for row in db.session.execute(query)}, "counters and rows differ"
    return found


def test_each_step_is_possible_in_its_states_and_409_in_all_others(alice: Any) -> None:
    group = make_group(alice)
    make_people(alice, group, 1)
    campaign = make_campaign(alice, group, schedule_at=database_now() + timedelta(days=1))
    goes = {}
    for verb in life.POSSIBLE:
        for state in STATES:
            campaign.state = state
            campaign.started_at = None if state in ("draft", "scheduled") else database_now()
            db.session.commit()
            try:
                goes[verb, state] = getattr(life, verb)(alice.actor, campaign.id).state
            except InvalidState as error:
                assert error.status == 409 and error.more == {"status": state} and campaign.name in error.message
            db.session.rollback()
            db.session.expire_all()
    assert goes == {
        ("schedule", "draft"): "scheduled", ("schedule", "scheduled"): "scheduled", ("unschedule", "scheduled"): "draft",
        ("send", "draft"): "sending", ("send", "scheduled"): "sending", ("pause", "sending"): "paused", ("resume", "paused"): "sending",
        ("cancel", "scheduled"): "cancelled", ("cancel", "sending"): "cancelled", ("cancel", "paused"): "cancelled",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"subject": " "}, "subject"), ({"body_html": ""}, "body_html"), ({"group_ids": []}, "recipient_groups"),
        ({"mailbox_id": None}, "email_account_id"), ({"from_email": "someone@elsewhere.test"}, "from_email"),
        ({"body_html": "<p>{{contact.first_name"}, "body_html"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_by_its_field(alice: Any, columns: dict[str, Any], field: str) -> None:
    group = make_group(alice)
    make_people(alice, group, 1)
    campaign = make_campaign(alice, group)
    for name, value in columns.items():
        setattr(campaign, name, value)
    db.session.commit()
    with pytest.raises(Invalid) as refused:
        life.send(alice.actor, campaign.id)
    assert field in refused.value.fields and refused.value.status == 422
    db.session.rollback()


def test_nobody_to_get_it_or_a_paused_mailbox_is_422(alice: Any) -> None:
    group = make_group(alice)
    add_people(alice, group, ["a@example.org"], subscribed=False)
    add_people(alice, group, ["b@example.org"], bounced_at=database_now())
    campaign = make_campaign(alice, group)
    with pytest.raises(Invalid) as refused:
        life.send(alice.actor, campaign.id)
    assert "recipient_groups" in refused.value.fields
    db.session.rollback()
    make_people(alice, group, 1)
    db.session.get_one(Mailbox, campaign.mailbox_id).status = "paused"
    db.session.commit()
    with pytest.raises(Invalid) as refused:
        life.send(alice.actor, campaign.id)
    assert "email_account_id" in refused.value.fields
    db.session.rollback()


def test_the_start_freezes_the_audience_and_is_told_once(alice: Any, work_off: Any) -> None:
    group = make_group(alice)
    make_people(alice, group, 3)
    campaign = send(alice, make_campaign(alice, group))
    make_people(alice, group, 2, prefix="late")
    step(alice, "pause", campaign)
    work_off()
    assert states_of(campaign) == {}
    step(alice, "resume", campaign)
    work_off()
    assert states_of(campaign) == {"captured": 3} and again(campaign).state == "sent"
    told = Counter(db.session.scalars(select(Event.type).where(Event.campaign_id == campaign.id, Event.type.startswith("campaign."))))
    assert told == {"campaign.sent": 1, "campaign.completed": 1}
    mail = db.session.get_one(Outgoing, again(campaign).outgoing_id)
    assert (mail.kind, mail.stream, mail.source_type, mail.source_id) == ("campaign", "bulk", "campaign", campaign.id)
    theirs = AuditEntry.target_type == "campaign", AuditEntry.target_id == campaign.id
    audit = db.session.scalars(select(AuditEntry.action).where(*theirs).order_by(AuditEntry.id))
    assert list(audit) == ["campaign.send", "campaign.pause", "campaign.resume", "campaign.complete"]


def test_c30_cancelled_in_the_midst_says_how_many_were_left(app: Any, alice: Any, work_off: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(expansion, "FIRST", 10)
    monkeypatch.setattr(expansion, "BATCH", 10)
    with Sink(Script(rcpt={"p3@example.org": b"450 4.2.0 later\r\n"})) as sink:
        use_transport(app, sink.url)
        group = make_group(alice)
        make_people(alice, group, 40)
        campaign = send(alice, make_campaign(alice, group))
        after_two_claims(campaign, alice, "cancel", monkeypatch)
        work_off()
        states = states_of(campaign)
        campaign = again(campaign)
        assert campaign.state == "cancelled" and states["cancelled"] >= 1 and set(states) <= {"sent", "cancelled"}
        assert Counter(sink.recipients) == Counter(set(sink.recipients)) and states["sent"] == len(sink.recipients) < 40
        assert life.left(campaign) == 40 - states["sent"]
        make_due()
        work_off()
        assert states_of(campaign) == states, "what was given up does not go later"


def after_two_claims(campaign: Campaign, alice: Any, verb: str, monkeypatch: Any) -> None:
    """Let somebody take this step right after the second claim of people."""
    claim, number = expansion.claim, [0]

    def claimed(*given: Any) -> Any:
        found = claim(*given)
        number[0] += 1
        if number[0] == 2:
            db.session.commit()
            getattr(life, verb)(alice.actor, campaign.id)
        return found

    monkeypatch.setattr(expansion, "claim", claimed)


def test_c30_paused_in_the_midst_it_goes_on_with_those_who_are_left(app: Any, alice: Any, work_off: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(expansion, "FIRST", 10)
    monkeypatch.setattr(expansion, "BATCH", 10)
    with Sink() as sink:
        use_transport(app, sink.url)
        group = make_group(alice)
        make_people(alice, group, 40)
        campaign = send(alice, make_campaign(alice, group))
        after_two_claims(campaign, alice, "pause", monkeypatch)
        work_off()
        states = states_of(campaign)
        assert again(campaign).state == "paused" and set(states) <= {"sent", "queued"} and states["queued"] >= 1
        assert not engine.is_due(), "a paused campaign asks for no worker"
        before = len(sink.recipients)
        work_off()
        assert len(sink.recipients) == before == states["sent"]
        step(alice, "resume", campaign)
        work_off()
        assert states_of(campaign) == {"sent": 40} and again(campaign).state == "sent"
        assert Counter(sink.recipients) == {f"p{n}@example.org": 1 for n in range(40)}


def test_put_off_copies_come_again_three_times_and_then_count_as_bounced(app: Any, alice: Any, work_off: Any) -> None:
    with Sink(Script(rcpt={"p1@example.org": b"450 4.2.0 later\r\n"})) as sink:
        use_transport(app, sink.url)
        group = make_group(alice)
        make_people(alice, group, 3)
        campaign = send(alice, make_campaign(alice, group))
        waits = []
        for _ in range(4):
            work_off()
            row = db.session.scalars(select(Delivery).where(Delivery.recipient == "p1@example.org")).one()
            if row.next_attempt_at is not None:
                assert again(campaign).state == "sending"
                waits.append((row.next_attempt_at - database_now()).total_seconds())
            make_due()
        assert [round(wait / 60) for wait in waits] == [1, 5, pytest.approx(30, abs=3)]
        assert states_of(campaign) == {"sent": 2, "bounced": 1} and again(campaign).state == "sent"
        assert (row.bounce, row.attempts) == ("expired", 4)


def test_retries_of_a_paused_campaign_stand_still_and_of_a_cancelled_one_end(app: Any, alice: Any, work_off: Any) -> None:
    with Sink(Script(rcpt_default=b"450 4.2.0 later\r\n")) as sink:
        use_transport(app, sink.url)
        group = make_group(alice)
        make_people(alice, group, 5)
        campaign = send(alice, make_campaign(alice, group))
        work_off()
        step(alice, "pause", campaign)
        make_due()
        tried = len(sink.lines)
        work_off()
        assert states_of(campaign) == {"deferred": 5} and len(sink.lines) == tried
        step(alice, "resume", campaign)
        sink.script.rcpt_default = b"250 ok\r\n"
        sink.script.rcpt["p4@example.org"] = b"450 4.2.0 later\r\n"
        work_off()
        assert states_of(campaign) == {"sent": 4, "deferred": 1}
        step(alice, "cancel", campaign)
        work_off()
        assert states_of(campaign) == {"sent": 4, "cancelled": 1} and not engine.is_due()


def test_a_rate_bounds_how_many_are_taken(app: Any, alice: Any) -> None:
    with Sink() as sink:
        use_transport(app, sink.url)
        group = make_group(alice)
        make_people(alice, group, 30)
        campaign = send(alice, make_campaign(alice, group, send_rate=60))
        begin_writing()
        engine.drain(_soon())
        assert len(sink.recipients) <= 3, "one a second"
        campaign = again(campaign)
        assert campaign.next_attempt_at is not None and campaign.state == "sending"
        campaign.send_rate = None
        campaign.next_attempt_at = None
        db.session.commit()
        while not engine.drain(_soon()):
            pass
        assert states_of(campaign) == {"sent": 30}


def _soon() -> float:
    return time.monotonic() + 2


def test_too_many_bounces_pause_it_with_a_reason_and_resuming_watches_anew(app: Any, alice: Any, work_off: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(engine, "WATCH_S", 0.0)
    monkeypatch.setattr(expansion, "BATCH", 50)
    refused = {f"p{n}@example.org": b"550 5.1.1 no such person\r\n" for n in range(0, 100, 8)}
    with Sink(Script(rcpt=refused)) as sink:
        use_transport(app, sink.url)
        group = make_group(alice)
        make_people(alice, group, 400)
        campaign = send(alice, make_campaign(alice, group))
        work_off()
        campaign = again(campaign)
        assert campaign.state == "paused" and campaign.paused_why is not None and "bounced" in campaign.paused_why
        assert states_of(campaign)["sent"] < 387
        notice = select(Outgoing).where(Outgoing.kind == "system", Outgoing.subject.contains("was paused"))
        assert db.session.scalars(notice).one().subject == f"{campaign.name} was paused"
        step(alice, "resume", campaign)
        work_off()
        assert states_of(campaign) == {"sent": 387, "bounced": 13} and again(campaign).state == "sent"


@pytest.mark.parametrize(("late", "state"), [(0, "sent"), (2, "sent"), (13, "draft")])
def test_c33_a_campaign_begins_late_and_not_at_all_when_it_is_too_late(alice: Any, work_off: Any, late: int, state: str) -> None:
    group = make_group(alice)
    make_people(alice, group, 2)
    campaign = make_campaign(alice, group, state="scheduled", schedule_at=database_now() - timedelta(hours=late))
    assert timetable.has_due()
    work_off()
    campaign = again(campaign)
    assert campaign.state == state
    told = list(db.session.scalars(select(Outgoing.subject).where(Outgoing.kind == "system")))
    assert told == ([] if late == 0 else [f"{campaign.name} {'began late' if state == 'sent' else 'was not sent'}"])
    assert states_of(campaign) == ({"captured": 2} if state == "sent" else {})


def test_a_scheduled_campaign_that_reaches_nobody_is_a_draft_again(alice: Any, work_off: Any) -> None:
    campaign = make_campaign(alice, make_group(alice), state="scheduled", schedule_at=database_now())
    work_off()
    assert again(campaign).state == "draft" and again(campaign).schedule_at is None
    assert not finishing.has_done() and not timetable.has_due()


def test_a_changed_letter_goes_to_those_who_are_left(app: Any, alice: Any, work_off: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(expansion, "FIRST", 5)
    monkeypatch.setattr(expansion, "BATCH", 5)
    with Sink() as sink:
        use_transport(app, sink.url)
        group = make_group(alice)
        make_people(alice, group, 10)
        campaign = send(alice, make_campaign(alice, group))
        after_two_claims(campaign, alice, "pause", monkeypatch)
        work_off()
        first = len(sink.taken)
        campaign = again(campaign)
        campaign.subject, campaign.version = "Corrected", campaign.version + 1
        db.session.commit()
        step(alice, "resume", campaign)
        work_off()
        subjects = Counter(b"Subject: Corrected" in mail.raw for mail in sink.taken)
        assert subjects == {False: first, True: 10 - first} and states_of(campaign) == {"sent": 10}


def test_the_number_before_sending_is_counted_within_bounds(alice: Any) -> None:
    group, out = make_group(alice), make_group(alice)
    make_people(alice, group, 12)
    make_people(alice, out, 3, prefix="out")
    assert audience.count(make_campaign(alice, group, out)) == (15, True)
    assert audience.count(make_campaign(alice, group, out, exclude_group_ids=[out.id])) == (12, True)
    assert audience.count(make_campaign(alice)) == (0, True)
