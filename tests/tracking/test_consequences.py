"""What bounces, complaints and deletions mean for contacts and for the numbers of campaigns, and that the numbers are kept right."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.factories.contacts import make_contact
from tests.factories.sending import make_outgoing
from tests.factories.tracking import make_sent_campaign
from tests.tracking.readers import Reader, write_down
from webapp.campaigns import stats
from webapp.contacts import merging, reviving, service
from webapp.contacts.models import Contact, Engagement
from webapp.core import counters
from webapp.core.db import begin_writing, db, utcnow
from webapp.core.paging import PageRequest
from webapp.happenings.models import Event
from webapp.sending import returned
from webapp.sending.models import Delivery
from webapp.suppressions.models import Suppression
from webapp.tracking import jobs, keeping
from webapp.tracking.models import FormerContact


def fresh(contact: Contact) -> Contact:
    db.session.expire_all()
    return db.session.get_one(Contact, contact.id)


def test_an_address_on_the_suppression_list_shows_on_its_contact_and_leaves_it_when_it_is_lifted(alice: Any, eve: Any) -> None:
    contact, other = make_contact(alice, "ann@people.test"), make_contact(eve, "ann@people.test")
    db.session.execute(update(Contact).values(lead_score=15))
    db.session.commit()
    for reason, column in (("hard_bounce", "bounced_at"), ("complaint", "complained_at")):
        made = alice.api.post("/suppressions", json={"address": "Ann@people.test", "reason": reason})
        assert getattr(fresh(contact), column) is not None and getattr(fresh(other), column) is None
        assert alice.api.delete(f"/suppressions/{made.json['data']['id']}").status_code == 200
        assert getattr(fresh(contact), column) is None
    assert fresh(contact).lead_score == 5 and fresh(other).lead_score == 15
    alice.api.post("/suppressions", json={"address": "ann@people.test", "reason": "unsubscription", "scope": "bulk"})
    assert not fresh(contact).subscribed and fresh(other).subscribed


def test_a_complaint_counts_once_for_the_campaign_and_flags_the_contact(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    delivery_id = db.session.scalars(select(Delivery.id).where(Delivery.campaign_id == sent.campaign.id)).one()
    for _ in range(2):
        assert returned.complain(delivery_id, message_id=0, feedback_type="abuse", reporter="far.test")
        db.session.commit()
    assert sent.number("complained") == 1
    assert db.session.get_one(Engagement, (sent.campaign.id, sent.contacts[0].id)).complained_at is not None
    assert fresh(sent.contacts[0]).complained_at is not None
    assert db.session.scalars(select(Suppression.scope)).one() == "bulk"


def test_numbers_of_a_campaign_stay_when_contacts_are_deleted_and_the_recount_agrees(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice, "one@people.test", "two@people.test")
    for place in (0, 1):
        Reader(app).open(sent.token(place))
        Reader(app).click(sent.token(place))
        Reader(app).post(f"/u/{sent.token(place)}")
    Reader(app, "Mozilla/5.0").open(sent.token(1))
    write_down(app)
    service.delete_contact(alice.actor, sent.contacts[1].id)
    db.session.commit()
    Reader(app).open(sent.token(1))
    write_down(app)
    found = stats.read([sent.campaign])[sent.campaign.id].numbers
    assert [found[name] for name in ("opened", "clicked", "unsubscribed", "opens_total", "machine_opens")] == [2, 2, 2, 2, 1]
    assert keeping.recount() == {}


def test_an_undone_deletion_brings_the_numbers_and_the_link_back(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    Reader(app).click(sent.token())
    write_down(app)
    for _ in range(2):
        before = reviving.delete_some(alice.actor, [sent.contacts[0].id]).changed
        db.session.commit()
        assert sent.number("gone:clicked") == 1 and db.session.get(FormerContact, sent.contacts[0].id) is not None
        reviving.bring_back(alice.actor, before)
        db.session.commit()
        assert sent.number("gone:clicked") == 0 and db.session.get(FormerContact, sent.contacts[0].id) is None
    Reader(app).click(sent.token())
    write_down(app)
    assert sent.number("clicked") == 1 and sent.number("clicks_total") == 2 and keeping.recount() == {}


def test_the_recount_finds_what_is_wrong_and_mends_it(app: Any, alice: Any, caplog: pytest.LogCaptureFixture) -> None:
    sent, other = make_sent_campaign(alice), make_sent_campaign(alice, "two@people.test")
    Reader(app).open(sent.token())
    Reader(app).click(other.token())
    write_down(app)
    name = f"campaign:{sent.campaign.id}"
    counters.bump_many({(alice.workspace.id, f"{name}:opened"): 5, (alice.workspace.id, f"{name}:clicked"): -2})
    db.session.commit()
    assert keeping.recount() == {"opened": -5, "clicked": 2}
    db.session.commit()
    assert "mended" in caplog.text and sent.number("opened") == 1 and sent.number("clicked") == 0
    counters.bump(alice.workspace.id, f"{name}:opened", 1)
    db.session.commit()
    for _ in range(2):
        jobs.recount()
        assert sent.number("opened") == 2, "a turn looks at one campaign: the next one, then none"
    jobs.recount()
    assert sent.number("opened") == 1


def test_a_merge_makes_one_reader_of_two_and_the_numbers_stay(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice, "one@people.test", "two@people.test")
    Reader(app).open(sent.token(0))
    Reader(app).open(sent.token(1))
    write_down(app)
    merging.merge(alice.actor, sent.contacts[0].id, sent.contacts[1].id)
    db.session.commit()
    assert keeping.recount() == {} and sent.number("opened") == 2, "two copies were opened"
    begin_writing()
    Reader(app).open(sent.token(1))
    write_down(app)
    assert sent.number("opened") == 2 and sent.number("opens_total") == 3


def test_contacts_learn_when_they_were_last_written_to_from_the_event_stream(app: Any, alice: Any, eve: Any) -> None:
    contact, other = make_contact(alice, "ann@people.test"), make_contact(eve, "ann@people.test")
    by_id, early = make_contact(alice), make_contact(alice)
    make_outgoing(alice, contact.address)
    at = utcnow() - timedelta(minutes=2)
    common = {"workspace_id": alice.workspace.id, "type": "sent", "stream": "bulk"}
    db.session.add_all(
        [
            Event(**common, at=at, recipient=contact.address), Event(**common, at=at, contact_id=by_id.id, recipient="x@people.test"),
            Event(**{**common, "type": "bounced"}, at=at, contact_id=early.id), Event(**common, at=utcnow(), contact_id=early.id),
        ]
    )  # fmt: skip
    db.session.execute(update(Event).where(Event.type != "sent").values(at=at))
    db.session.commit()
    jobs.follow()
    assert fresh(contact).last_contacted_at == fresh(by_id).last_contacted_at == at
    assert fresh(other).last_contacted_at is None and fresh(early).last_contacted_at is None, "too fresh: it comes with a later turn"
    begin_writing()
    db.session.execute(update(Event).where(Event.contact_id == early.id).values(at=at))
    db.session.commit()
    jobs.follow()
    assert fresh(early).last_contacted_at == at


def test_a_second_scheduler_moves_no_position_twice(app: Any, alice: Any) -> None:
    counters.bump(keeping.NOWHERE, keeping.FOLLOWED, 100)
    db.session.commit()
    assert keeping._advance(keeping.FOLLOWED, 100, 150)
    db.session.commit()
    assert not keeping._advance(keeping.FOLLOWED, 100, 150)
    assert counters.read(keeping.NOWHERE, keeping.FOLLOWED) == 150


def test_statistics_have_rates_hours_links_and_their_age(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice, *(f"p{place}@people.test" for place in range(4)))
    for name, number in {"sent": 4, "bounced": 1}.items():
        counters.bump(alice.workspace.id, f"campaign:{sent.campaign.id}:{name}", number)
    for place in range(3):
        Reader(app).open(sent.token(place))
    Reader(app).click(sent.token(0), 2)
    write_down(app)
    since = utcnow()
    report = stats.report(sent.campaign)
    assert report["rates"] == {
        "open_rate": 75.0, "click_rate": 25.0, "unsubscribe_rate": 0.0, "complaint_rate": 0.0, "click_to_open_rate": 33.33,
        "bounce_rate": 20.0,
    }  # fmt: skip
    assert report["as_of"] >= since and sum(span.opened for span in report["spans"]) == 3
    assert [(link.number, link.people, link.clicks) for link in report["links"]] == [(1, 0, 0), (2, 1, 1), (3, 0, 0)]
    assert stats.read([]) == {}


def test_the_list_of_readers_is_filtered_by_deed_and_link_and_walked(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice, *(f"p{place}@people.test" for place in range(3)))
    for place in range(3):
        Reader(app).open(sent.token(place))
    Reader(app).click(sent.token(2), 3)
    write_down(app)
    first = stats.engagements(sent.campaign, PageRequest(per_page=2), {"did": "opened"})
    rest = stats.engagements(sent.campaign, PageRequest(per_page=2, cursor=first.next_cursor), {"did": "opened"})
    assert [row.email for row in [*first.items, *rest.items]] == [contact.email for contact in sent.contacts]
    for filters in ({"did": "clicked"}, {"link": 3}):
        assert [row.contact_id for row in stats.engagements(sent.campaign, PageRequest(), filters).items] == [sent.contacts[2].id]
    assert stats.engagements(sent.campaign, PageRequest(), {"link": 1}).items == []
