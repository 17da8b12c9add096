"""A campaign goes out: everybody once, with the numbers and events that belong to it."""

from collections import Counter
from typing import Any

from sqlalchemy import select

from tests.factories.campaigns import add_people, again, make_campaign, make_group, make_people, send
from tests.factories.sending import Sink, use_transport
from tests.sending.test_mx import World
from webapp.campaigns import tallies
from webapp.campaigns.models import Campaign, CampaignDomain
from webapp.core.db import begin_writing, db
from webapp.happenings.models import Event
from webapp.sending import attempts, holding_back
from webapp.sending.models import Attempt, Delivery


def rows_of(campaign: Campaign) -> list[Delivery]:
    return list(db.session.scalars(select(Delivery).where(Delivery.campaign_id == campaign.id).order_by(Delivery.id)))


def test_under_capture_everybody_has_a_row_and_nothing_leaves(alice: Any, work_off: Any) -> None:
    group = make_group(alice)
    make_people(alice, group, 7)
    campaign = send(alice, make_campaign(alice, group))
    work_off()
    campaign = again(campaign)
    assert campaign.state == "sent" and campaign.sent_at is not None
    assert Counter(row.state for row in rows_of(campaign)) == {"captured": 7}
    assert tallies.states(campaign)["captured"] == 7
    events = Counter(db.session.scalars(select(Event.type).where(Event.campaign_id == campaign.id)))
    assert events == {"campaign.sent": 1, "captured": 7, "campaign.completed": 1}


def test_over_a_relay_everybody_gets_a_copy_of_their_own_once(app: Any, alice: Any, work_off: Any) -> None:
    with Sink() as sink:
        use_transport(app, sink.url)
        group = make_group(alice)
        make_people(alice, group, 230)
        campaign = send(alice, make_campaign(alice, group))
        work_off()
        campaign = again(campaign)
        assert campaign.state == "sent", tallies.states(campaign)
        assert Counter(sink.recipients) == {f"p{n}@example.org": 1 for n in range(230)}
        first = next(mail for mail in sink.taken if mail.recipients == ["p17@example.org"])
        assert b"Hello P17" in first.raw and b"\r\nMessage-ID: <c" in first.raw and first.raw.startswith(b"DKIM-Signature:")
        rows = rows_of(campaign)
        assert {(row.state, row.attempts, row.last_code, row.host) for row in rows} == {("sent", 1, 250, sink.url.removeprefix("smtp://"))}
        assert all(row.lease_owner is None and row.lease_until is None and row.contact_id for row in rows)
        assert tallies.states(campaign)["sent"] == 230 and campaign.recipients_count == 230
        [domain] = db.session.scalars(select(CampaignDomain).where(CampaignDomain.campaign_id == campaign.id))
        assert (domain.domain, domain.total, domain.sent, domain.deferred, domain.bounced) == ("example.org", 230, 230, 0, 0)
        events = db.session.scalars(select(Event).where(Event.campaign_id == campaign.id, Event.type == "sent")).all()
        assert len(events) == 230 and all(event.contact_id and event.delivery_id and event.recipient for event in events)
        assert db.session.scalars(select(Attempt)).all() == [], "an attempt that says no more than its event has no row"
        [attempt] = attempts.of(rows[17].id)
        assert (attempt.number, attempt.outcome, attempt.code, attempt.host) == (1, "sent", 250, rows[17].host)
        assert attempt.dialogue == [f"S: {rows[17].last_reply}"] and attempt.at == rows[17].finished_at


def test_a_mailbox_of_this_installation_gets_it_too(app: Any, alice: Any, work_off: Any) -> None:
    with Sink() as sink:
        use_transport(app, sink.url)
        group = make_group(alice)
        campaign = make_campaign(alice, group)
        add_people(alice, group, [campaign.from_email, "ada@example.org"])
        send(alice, campaign)
        work_off()
        assert sink.recipients == ["ada@example.org"]
        assert {(row.recipient, row.state, row.host) for row in rows_of(again(campaign))} == {
            (campaign.from_email, "sent", "local"), ("ada@example.org", "sent", sink.url.removeprefix("smtp://")),
        }  # fmt: skip
        assert again(campaign).state == "sent"


def test_direct_delivery_goes_host_by_host_and_what_is_on_hold_waits(app: Any, alice: Any, work_off: Any) -> None:
    world = World(app)
    world.names(mx="127.0.0.1")
    with world.sink() as sink:
        group = make_group(alice)
        make_people(alice, group, 5)
        add_people(alice, group, ["held@kept.example", "x@nowhere.example"])
        begin_writing()
        holding_back.hold(alice.actor, domain="kept.example", reason="their server is down")
        db.session.commit()
        campaign = send(alice, make_campaign(alice, group))
        work_off()
        assert Counter(sink.recipients) == {f"p{n}@example.org": 1 for n in range(5)}
        states = {row.recipient: (row.state, row.held_by) for row in rows_of(again(campaign))}
        assert states["held@kept.example"] == ("held", "domain") and states["x@nowhere.example"][0] in ("bounced", "deferred")
        assert Counter(state for state, _ in states.values())["sent"] == 5
