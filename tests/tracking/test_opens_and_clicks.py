"""Opens and clicks: what counts, once or often, by whom; what does not count; what an answer says."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.factories.tracking import LINKS, make_sent_campaign
from tests.house.things import snapshot
from tests.tracking.readers import Reader, happened, is_recent, write_down
from webapp.campaigns import marks
from webapp.contacts.models import Contact, Engagement, LinkClick
from webapp.core import limits, rollups
from webapp.core.db import db, utcnow
from webapp.sending.models import Delivery
from webapp.tracking import bursts, hits

APPLE, AWS = "Mozilla/5.0", "3.1.2.3"
UNIQUE = ("opened", "clicked", "machine_opened")
SUMS = ("opens_total", "clicks_total", "machine_opens", "machine_clicks")


def numbers(sent: Any) -> dict[str, int]:
    return {name: number for name in (*UNIQUE, *SUMS) if (number := sent.number(name))}


def engagement(sent: Any, place: int = 0) -> Engagement:
    return db.session.get_one(Engagement, (sent.campaign.id, sent.contacts[place].id))


def test_an_open_counts_once_as_unique_and_each_time_in_the_total(app: Any, alice: Any) -> None:
    sent, since = make_sent_campaign(alice), utcnow()
    Reader(app).open(sent.token(), 3)
    assert write_down(app) == 3
    Reader(app).open(sent.token())
    write_down(app)
    assert numbers(sent) == {"opened": 1, "opens_total": 4}
    row = engagement(sent)
    assert row.opens == 4 and is_recent(row.opened_at, since) and row.clicked_at is None
    (event,) = happened(alice.workspace.id, "opened")
    contact = db.session.get_one(Contact, sent.contacts[0].id)
    assert (event.recipient, event.contact_id, event.campaign_id, event.stream) == (contact.address, contact.id, sent.campaign.id, "bulk")
    assert event.delivery_id == db.session.scalar(select(Delivery.id).where(Delivery.campaign_id == sent.campaign.id))
    assert is_recent(contact.last_active_at, since) and contact.lead_score == 1
    assert sent.number(rollups.name("hour", row.opened_at, "opened")) == 1  # type: ignore[arg-type]


def test_a_click_leads_on_with_merge_tags_filled_in_and_implies_an_open(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    answer = Reader(app).click(sent.token(), 2)
    assert answer.status_code == 302 and answer.headers["Location"] == "https://shop.test/b?who=Ann"
    assert "no-store" in answer.headers["Cache-Control"] and answer.headers["Referrer-Policy"] == "no-referrer"
    Reader(app).click(sent.token(), 2)
    Reader(app).click(sent.token(), 1)
    write_down(app)
    assert numbers(sent) == {"opened": 1, "clicked": 1, "clicks_total": 3}
    assert [sent.number(f"link:2{part}") for part in ("", ":people", ":machines")] == [2, 1, 0]
    clicks = {row.link: row.clicks for row in db.session.scalars(select(LinkClick))}
    assert clicks == {1: 1, 2: 2}
    events = happened(alice.workspace.id, "clicked")
    assert [(event.details or {})["url"] for event in events] == [LINKS[1], LINKS[0]]
    assert [(event.details or {})["link"] for event in events] == [2, 1] and (events[0].details or {})["times"] == 2
    assert not happened(alice.workspace.id, "opened")
    assert db.session.get_one(Contact, sent.contacts[0].id).lead_score == 1 + 3 + 3


def test_a_workspace_may_weigh_deeds_its_own_way_and_the_score_ends_at_100(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    alice.workspace.settings = {"lead_score": {"open": 90, "click": 60, "bounce": "many"}}
    db.session.commit()
    Reader(app).click(sent.token())
    write_down(app)
    assert db.session.get_one(Contact, sent.contacts[0].id).lead_score == 100


def test_machines_are_counted_apart_and_a_person_afterwards_is_still_unique(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    Reader(app, APPLE).open(sent.token(), 2)
    write_down(app)
    assert numbers(sent) == {"machine_opens": 2, "machine_opened": 1}
    (event,) = happened(alice.workspace.id, "opened")
    assert (event.details or {})["machine"] == "apple_privacy"
    contact = db.session.get_one(Contact, sent.contacts[0].id)
    assert contact.last_active_at is None and contact.lead_score == 0
    Reader(app).open(sent.token())
    write_down(app)
    assert numbers(sent) == {"machine_opens": 2, "opened": 1, "opens_total": 1}
    assert len(happened(alice.workspace.id, "opened")) == 2


def test_a_scanner_that_follows_every_link_within_a_second_is_a_machine_over_several_batches(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    for number in (1, 2, 3):
        Reader(app).click(sent.token(), number)
    waiting = hits._waiting[:]
    hits._waiting[:] = waiting[:1]  # as if another process had taken the others
    write_down(app)
    hits._waiting[:] = waiting[1:]
    write_down(app)
    assert numbers(sent) == {"machine_clicks": 3}
    assert {(event.details or {})["machine"] for event in happened(alice.workspace.id, "clicked")} == {"burst"}


def test_bursts_are_found_in_one_process_while_redis_is_away(app: Any, alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = make_sent_campaign(alice)
    monkeypatch.setattr(app.extensions["redis"], "pipeline", _away)
    for number in (1, 2, 3):
        assert Reader(app).click(sent.token(), number).status_code == 302
    write_down(app)
    assert numbers(sent) == {"machine_clicks": 3}


def _away(**_: Any) -> None:
    raise bursts.redis.ConnectionError("away")


def test_a_data_centre_is_a_machine_only_right_after_delivery(app: Any, alice: Any) -> None:
    fresh, old = make_sent_campaign(alice, "new@people.test", seconds_ago=2), make_sent_campaign(alice, "old@people.test")
    Reader(app, ip=AWS).open(fresh.token())
    Reader(app, ip=AWS).open(old.token())
    write_down(app)
    assert numbers(fresh) == {"machine_opens": 1, "machine_opened": 1} and numbers(old) == {"opened": 1, "opens_total": 1}


def test_c70_what_is_fetched_ahead_counts_nothing(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    before = snapshot(alice.workspace.id)
    reader = Reader(app)
    for path in (f"/t/o/{sent.token()}.gif", f"/t/c/{sent.token()}/1", f"/u/{sent.token()}", f"/v/{sent.token()}"):
        for headers in ({"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X-Moz": "prefetch"}):
            assert reader.get(path, headers=headers).status_code in (200, 302)
        assert reader.ask("HEAD", path).status_code in (200, 302)
        assert reader.ask("OPTIONS", path).status_code == 200
    assert write_down(app) == 0 and snapshot(alice.workspace.id) == before


def test_the_pixel_is_a_picture_that_nobody_keeps_and_sets_no_cookie(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    for token in (sent.token(), "x", sent.token()[:-2] + "Am"):
        answer = Reader(app).get(f"/t/o/{token}.gif")
        assert answer.status_code == 200 and answer.data.startswith(b"GIF89a") and answer.mimetype == "image/gif"
        assert "no-store" in answer.headers["Cache-Control"] and "Set-Cookie" not in answer.headers and "Vary" not in answer.headers
    assert write_down(app) == 1


def test_c60_a_click_without_a_link_of_ours_is_a_plain_page(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    token, other = sent.token(), marks.token(sent.campaign.id + 1, sent.contacts[0].id)
    for path in (f"{other}/1", f"{token}/99", f"{token}/0", f"{token}x/1", "nonsense/1", f"{token}/99999999999999999999"):
        answer = Reader(app).get(f"/t/c/{path}")
        assert answer.status_code == 404 and "Location" not in answer.headers, path
    assert "does not lead anywhere" in Reader(app).click(other).text and write_down(app) == 0


EVIL = (
    "//evil.test/", "https:\\\\evil.test", "javascript:alert(1)", "data:text/html,x", "https://shop.test@evil.test/", "https:///evil.test",
    "https://evil.test\r\nX-Injected: 1", "ftp://evil.test/", "https://[evil", "/relative", "",
)  # fmt: skip


def test_c60_a_stored_address_that_leads_nowhere_safe_is_not_followed(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice, links=EVIL)
    for number, url in enumerate(EVIL, 1):
        answer = Reader(app).click(sent.token(), number)
        assert answer.status_code == 404 and "X-Injected" not in answer.headers and "Location" not in answer.headers, url


def test_c60_what_stands_in_a_contact_bends_no_address_and_adds_no_header(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice, links=["https://shop.test/{{contact.first_name}}/x?y={{contact.first_name}}"])
    for value in ("//evil.test", "x\r\nSet-Cookie: a=b", "@evil.test", "\\evil.test", "ä€", "?a=b#c", "%0d%0a"):
        db.session.get_one(Contact, sent.contacts[0].id).first_name = value
        db.session.commit()
        answer = Reader(app).click(sent.token())
        where = answer.headers["Location"]
        assert answer.status_code == 302 and where.startswith("https://shop.test/") and "Set-Cookie" not in answer.headers, value
        assert where.isascii() and "\n" not in where, value


def test_parameters_of_the_request_lead_nowhere(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    answer = Reader(app).get(f"/t/c/{sent.token()}/1?url=https://evil.test&next=//evil.test", headers={"X-Forwarded-Host": "evil.test"})
    assert answer.headers["Location"] == "https://shop.test/a"


def test_marks_of_test_mails_lead_on_and_count_nothing(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    before, token = snapshot(alice.workspace.id), marks.token(sent.campaign.id, marks.NOBODY)
    Reader(app).open(token)
    assert Reader(app).click(token, 2).headers["Location"] == "https://shop.test/b?who="
    assert write_down(app) == 0 and snapshot(alice.workspace.id) == before


def test_a_mark_of_another_workspaces_contact_counts_nothing(app: Any, alice: Any, eve: Any) -> None:
    mine, theirs = make_sent_campaign(alice), make_sent_campaign(eve, "eve@people.test")
    before = snapshot(eve.workspace.id)
    mixed = marks.token(mine.campaign.id, theirs.contacts[0].id)
    Reader(app).open(mixed)
    Reader(app).click(mixed)
    write_down(app)
    assert numbers(mine) == {} and snapshot(eve.workspace.id) == before


def test_over_the_limit_of_an_address_links_lead_on_uncounted(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    app.config["RATE_LIMITS"] = limits.parse("tracking=2/minute,public=1/minute")
    reader = Reader(app, ip="198.51.100.9")
    reader.open(sent.token(), 4)
    assert reader.click(sent.token()).status_code == 302
    Reader(app, ip="198.51.100.10").open(sent.token())
    assert write_down(app) in (3, 4)  # one more when the minute turned
    answers = [reader.get(f"/u/{sent.token()}").status_code for _ in range(3)]
    assert 429 in answers
    assert reader.post(f"/u/{sent.token()}").status_code == 200, "unsubscribing is never refused"


def test_old_campaigns_keep_counting_but_no_more_hours(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice, seconds_ago=int(timedelta(days=40).total_seconds()))
    Reader(app).open(sent.token())
    write_down(app)
    assert numbers(sent) == {"opened": 1, "opens_total": 1}
    assert sent.number(rollups.name("hour", utcnow(), "opened")) == 0
