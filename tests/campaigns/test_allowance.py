"""A campaign keeps to the limits of the mailbox that sends it, waits while it may not send, and says why."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from tests.factories.campaigns import again, make_campaign, make_group, make_people, send
from tests.factories.sending import make_outgoing
from webapp.campaigns import allowance
from webapp.campaigns.models import Campaign
from webapp.core.db import begin_writing, database_now, db
from webapp.core.errors import TooMany
from webapp.mailboxes import flow
from webapp.mailboxes.models import Mailbox, MailboxMinute
from webapp.sending import quota
from webapp.sending.models import Delivery


@pytest.fixture
def campaign(alice: Any) -> Campaign:
    """To 30 people."""
    group = make_group(alice)
    make_people(alice, group, 30)
    return make_campaign(alice, group)


def limited(campaign: Campaign, **limits: Any) -> Mailbox:
    mailbox = db.session.get_one(Mailbox, campaign.mailbox_id)
    for name, value in limits.items():
        setattr(mailbox, name, value)
    db.session.commit()
    return mailbox


def rows(campaign: Campaign) -> int:
    found = db.session.scalar(select(func.count()).where(Delivery.campaign_id == campaign.id)) or 0
    db.session.commit()
    begin_writing()
    return found


def an_hour_passes(work_off: Any) -> None:
    """What the mailbox sent is older than an hour, and the campaign's next look has come."""
    begin_writing()
    then = database_now() - timedelta(minutes=61)
    db.session.execute(update(MailboxMinute).values(minute=MailboxMinute.minute - 61, last_at=then))
    db.session.execute(update(Campaign).where(Campaign.next_attempt_at.is_not(None)).values(next_attempt_at=then))
    db.session.commit()
    work_off()


def test_it_takes_what_the_hour_leaves_and_goes_on_when_there_is_room_again(alice: Any, campaign: Campaign, work_off: Any) -> None:
    mailbox = limited(campaign, hourly_limit=12)
    make_outgoing(alice, mailbox=mailbox)
    send(alice, campaign)
    work_off()
    assert rows(campaign) == 11, "one single mail went before"
    assert flow.read([mailbox.id])[mailbox.id, "sent"] == (12, 12)
    now, waits = database_now(), again(campaign).next_attempt_at
    assert waits is not None and now < waits <= now + allowance.LOOK_AGAIN
    an_hour_passes(work_off)
    assert rows(campaign) == 23
    an_hour_passes(work_off)
    assert rows(campaign) == 30 and again(campaign).state == "sent"
    assert len(set(db.session.scalars(select(Delivery.recipient).where(Delivery.campaign_id == campaign.id)))) == 30, "nobody twice"


def test_the_day_counts_too_and_single_mails_hear_that_it_is_used_up(alice: Any, campaign: Campaign, work_off: Any) -> None:
    mailbox = limited(campaign, hourly_limit=20, daily_limit=5)
    send(alice, campaign)
    work_off()
    assert rows(campaign) == 5
    with pytest.raises(TooMany):
        quota.take_room(mailbox, 100)
    an_hour_passes(work_off)
    assert rows(campaign) == 5
    limited(campaign, daily_limit=None, hourly_limit=None)
    an_hour_passes(work_off)
    assert rows(campaign) == 30 and again(campaign).state == "sent"


def test_it_says_why_it_waits(alice: Any, campaign: Campaign, work_off: Any) -> None:
    mailbox = limited(campaign, hourly_limit=3)
    send(alice, campaign)
    assert alice.api.get(f"/campaigns/{campaign.id}").json["data"]["waits_why"] is None
    work_off()
    said = alice.api.get(f"/campaigns/{campaign.id}").json["data"]["waits_why"]
    assert said.startswith(f"{mailbox.email} may send 3 mails an hour, and has. The next copies go in ")
    page = alice.page.get(f"/campaigns/{campaign.id}").get_data(as_text=True)
    assert "It waits, with 27 people to go." in page and "may send 3 mails an hour" in page


def test_a_paused_mailbox_holds_its_campaign(alice: Any, campaign: Campaign, work_off: Any) -> None:
    send(alice, campaign)
    mailbox = limited(campaign, status="paused")
    work_off()
    assert rows(campaign) == 0 and again(campaign).state == "sending"
    assert allowance.why_waits(again(campaign)) == f"{mailbox.email} is paused, so the next copies wait until that changes."
    limited(campaign, status="active", can_send=False)
    assert "may not send" in (allowance.why_waits(again(campaign)) or "")
    limited(campaign, can_send=True)
    an_hour_passes(work_off)
    assert rows(campaign) == 30 and allowance.why_waits(again(campaign)) is None


def test_without_limits_copies_are_counted_all_the_same(alice: Any, campaign: Campaign, work_off: Any) -> None:
    send(alice, campaign)
    work_off()
    assert flow.read([campaign.mailbox_id or 0])[campaign.mailbox_id or 0, "sent"] == (30, 30)
