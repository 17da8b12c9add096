"""The pages of campaigns with plain posts: from the first word to the last copy."""

import html
from datetime import timedelta
from typing import Any

import pytest

from tests.factories.contacts import make_contact, make_group
from tests.factories.drafts import make_draft
from tests.factories.mailboxes import make_mailbox
from webapp.campaigns import life, service
from webapp.campaigns.models import Campaign
from webapp.core.db import db, utcnow
from webapp.messages.models import Message


def text_of(answer: Any) -> str:
    return html.unescape(answer.get_data(as_text=True))


def typed(campaign: Campaign, **changes: Any) -> dict[str, Any]:
    """What the editor sends."""
    fields = {
        "name": campaign.name, "mailbox_id": campaign.mailbox_id or "", "from_name": campaign.from_name, "from_email": campaign.from_email,
        "reply_to": "", "subject": campaign.subject, "preheader": "", "body_format": campaign.body_format, "body_html": campaign.body_html,
        "body_text": "", "track_opens": "y", "track_clicks": "y", "web_view": "y", "send_rate": "", "group_ids": campaign.group_ids,
        "stamp": service.stamp(campaign),
    }  # fmt: skip
    return {**fields, **changes}


def test_the_empty_list_teaches(alice: Any) -> None:
    page = text_of(alice.page.get("/campaigns"))
    assert "No campaign yet" in page and "/api/v1/campaigns" in page and "/campaigns/new" in page


def test_a_new_campaign_begins_with_a_letter_and_its_account(alice: Any) -> None:
    account = make_mailbox(alice, "news@acme.test", display_name="Acme News")
    answer = alice.page.post("/campaigns/new", {"name": "March news", "mailbox_id": account.id, "start": "mjml"})
    assert answer.status_code == 303
    campaign = db.session.query(Campaign).one()
    assert answer.headers["Location"].endswith(f"/campaigns/{campaign.id}/edit")
    assert (campaign.from_email, campaign.from_name, campaign.body_format) == ("news@acme.test", "Acme News", "mjml")
    assert "<mjml>" in campaign.body_html


def test_the_editor_saves_what_was_typed(alice: Any) -> None:
    campaign, group = make_draft(alice), make_group(alice, "Press", contacts=[make_contact(alice)])
    changes = {"subject": "Better", "group_ids": [group.id], "send_rate": "120", "preheader": "Look"}
    answer = alice.page.post(f"/campaigns/{campaign.id}/edit", typed(campaign, **changes))
    assert answer.status_code == 303, text_of(answer)
    saved = db.session.get_one(Campaign, campaign.id)
    assert (saved.subject, saved.group_ids, saved.send_rate, saved.preheader) == ("Better", [group.id], 120, "Look")
    assert saved.recipients_count == 1
    unticked = typed(saved)
    unticked.pop("track_opens")
    assert alice.page.post(f"/campaigns/{campaign.id}/edit", unticked).status_code == 303
    assert db.session.get_one(Campaign, campaign.id).track_opens is False


def test_what_was_typed_stays_when_it_is_refused(alice: Any) -> None:
    campaign = make_draft(alice)
    answer = alice.page.post(f"/campaigns/{campaign.id}/edit", typed(campaign, from_email="me@elsewhere.test", subject="Kept words"))
    page = text_of(answer)
    assert answer.status_code == 422
    assert "elsewhere.test is not a verified domain" in page and "Kept words" in page
    assert db.session.get_one(Campaign, campaign.id).subject == campaign.subject


def test_a_form_does_not_overwrite_what_somebody_else_saved(alice: Any, bob: Any) -> None:
    campaign = make_draft(alice)
    before = typed(campaign, subject="Alice's words")
    assert bob.page.post(f"/campaigns/{campaign.id}/edit", typed(campaign, subject="Bob's words")).status_code == 303
    answer = alice.page.post(f"/campaigns/{campaign.id}/edit", before)
    assert answer.status_code == 409 and "Alice's words" in text_of(answer) and "Somebody else saved" in text_of(answer)
    assert db.session.get_one(Campaign, campaign.id).subject == "Bob's words"


def test_the_preview_shows_a_chosen_contact_and_saves_nothing(alice: Any) -> None:
    campaign = make_draft(alice)
    make_contact(alice, "ann@people.test", name="Ann Arbor")
    fields = typed(campaign, subject="For {{contact.first_name}}", preview_as="ANN@people.test")
    part = alice.page.post(f"/campaigns/{campaign.id}/preview", fields, htmx=True)
    assert part.status_code == 200 and "For Ann" in text_of(part)
    source = text_of(part).split('src="', 1)[1].split('"', 1)[0]
    frame = alice.page.get(source)
    assert "Hello Ann" in text_of(frame)
    policy = frame.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ") and "allow-scripts" not in policy and "default-src 'none'" in policy
    assert db.session.get_one(Campaign, campaign.id).subject == campaign.subject
    whole = alice.page.post(f"/campaigns/{campaign.id}/edit", {**fields, "look": "1"})
    assert whole.status_code == 200 and "For Ann" in text_of(whole) and "<iframe" in text_of(whole)


def test_a_preview_is_not_for_other_workspaces(alice: Any, eve: Any) -> None:
    campaign = make_draft(alice)
    part = text_of(alice.page.post(f"/campaigns/{campaign.id}/preview", typed(campaign), htmx=True))
    source = part.split('src="', 1)[1].split('"', 1)[0]
    assert alice.page.get(source).status_code == 200
    assert eve.page.get(source).status_code == 404


def test_the_count_follows_what_is_ticked(alice: Any) -> None:
    campaign = make_draft(alice)
    group = make_group(alice, contacts=[make_contact(alice), make_contact(alice)])
    part = text_of(alice.page.post(f"/campaigns/{campaign.id}/count", typed(campaign, group_ids=[group.id]), htmx=True))
    assert ">2</b>" in part
    assert "Nobody is chosen" in text_of(alice.page.post(f"/campaigns/{campaign.id}/count", typed(campaign, group_ids=[]), htmx=True))


def test_the_last_look_says_how_many_and_who_is_left_out(alice: Any) -> None:
    people = [make_contact(alice) for _ in range(4)]
    left, bounced = people[0], people[1]
    left.subscribed, bounced.bounced_at = False, utcnow()
    out = make_group(alice, "Staff", contacts=people[2:3])
    campaign = make_draft(alice, group_ids=[make_group(alice, contacts=people).id], exclude_group_ids=[out.id])
    page = " ".join(text_of(alice.page.get(f"/campaigns/{campaign.id}/send")).split())
    assert "1 person gets it" in page
    for words in ("1 gets it", "1 excluded", "1 unsubscribed", "1 bounced before"):
        assert words in page, words
    assert "3 of those named are left out" in page and "Staff" in page


def test_a_campaign_is_sent_paused_resumed_and_cancelled_by_plain_posts(alice: Any) -> None:
    campaign = make_draft(alice, send_rate=1, people=5)
    path = f"/campaigns/{campaign.id}"
    assert alice.page.post(f"{path}/send").headers["Location"].endswith(path)
    assert "Pause sending" in text_of(alice.page.get(path))
    assert alice.page.post(f"{path}/pause").status_code == 303
    page = text_of(alice.page.get(path))
    assert "Resume sending" in page and "5 people wait and nobody is lost" in page
    assert alice.page.post(f"{path}/resume").status_code == 303
    ask = text_of(alice.page.get(f"{path}/cancel"))
    assert f"5 people will not get “{campaign.name}”" in ask and "pausing can" in ask
    assert alice.page.post(f"{path}/cancel", {"typed": "yes"}).status_code == 422
    assert db.session.get_one(Campaign, campaign.id).state == "sending"
    assert alice.page.post(f"{path}/cancel", {"typed": "cancel"}).status_code == 303
    assert "Cancelled: 0 people had it already" in text_of(alice.page.get(path))


def test_send_says_what_is_missing_and_sends_nothing(alice: Any) -> None:
    campaign = make_draft(alice, group_ids=[])
    answer = alice.page.post(f"/campaigns/{campaign.id}/send")
    assert answer.status_code == 422 and "Choose at least one group or segment" in text_of(answer)
    assert db.session.get_one(Campaign, campaign.id).state == "draft"


def test_a_schedule_is_read_in_its_zone(alice: Any) -> None:
    campaign = make_draft(alice)
    path, day = f"/campaigns/{campaign.id}", (utcnow() + timedelta(days=40)).strftime("%Y-%m-%d")
    assert alice.page.post(f"{path}/schedule", {"schedule_at": f"{day}T09:00", "schedule_zone": "Asia/Tokyo"}).status_code == 303
    saved = db.session.get_one(Campaign, campaign.id)
    assert saved.state == "scheduled" and saved.schedule_at is not None and saved.schedule_at.strftime("%Y-%m-%dT%H:%M") == f"{day}T00:00"
    page = text_of(alice.page.get(path))
    assert f"{day} 09:00 in Asia/Tokyo" in page and "Unschedule" in page
    assert alice.page.post(f"{path}/schedule", {"schedule_at": "2020-01-01T09:00", "schedule_zone": "UTC"}).status_code == 422
    assert alice.page.post(f"{path}/unschedule").status_code == 303
    assert db.session.get_one(Campaign, campaign.id).state == "draft"


def test_a_test_copy_is_sent_from_the_page(alice: Any) -> None:
    campaign = make_draft(alice)
    ask = text_of(alice.page.get(f"/campaigns/{campaign.id}/test"))
    assert alice.user.email in ask
    answer = alice.page.post(f"/campaigns/{campaign.id}/test", {"emails": "ada@example.org, bo@example.org"})
    assert answer.status_code == 303
    assert {row.subject for row in db.session.query(Message).filter_by(is_test=True)} == {"[Test] Hello Ada"}
    assert alice.page.post(f"/campaigns/{campaign.id}/test", {"emails": "ada"}).status_code == 422


def test_the_page_of_a_campaign_tells_what_became_of_it(alice: Any, work_off: Any) -> None:
    campaign = make_draft(alice, name="Spring")
    life.send(alice.actor, campaign.id)
    db.session.commit()
    work_off()
    page = " ".join(text_of(alice.page.get(f"/campaigns/{campaign.id}")).split())
    assert "Done: 3 people got it" in page and "https://shop.test/news" in page and "By receiving domain" in page
    assert "Each bar is a minute" in page and "Sent: 3 in 1 minute, most 3 in one" in page
    hours = text_of(alice.page.get(f"/campaigns/{campaign.id}?by=hour"))
    assert "Each bar is an hour" in hours and "Sent: 3 in 1 hour, most 3 in one" in hours
    people = text_of(alice.page.get(f"/campaigns/{campaign.id}/recipients"))
    assert people.count("Kept here on purpose") == 3
    assert "Spring" in text_of(alice.page.get("/campaigns?status=sent"))
    assert "Spring" not in text_of(alice.page.get("/campaigns?status=draft"))


@pytest.mark.parametrize("path", ["/edit", "/test", "/send", "/schedule", "/cancel", "/delete"])
def test_whoever_only_looks_is_told_what_it_needs(carol: Any, alice: Any, path: str) -> None:
    campaign = make_draft(alice)
    assert carol.page.get(f"/campaigns/{campaign.id}{path}").status_code == 403
    page = text_of(carol.page.get(f"/campaigns/{campaign.id}"))
    assert "needs campaigns:send" in page and "needs campaigns:write" in page


def test_a_deleted_campaign_offers_the_way_back(alice: Any) -> None:
    campaign = make_draft(alice)
    assert "can be restored for 30 days" in text_of(alice.page.get(f"/campaigns/{campaign.id}/delete"))
    assert alice.page.post(f"/campaigns/{campaign.id}/delete").status_code == 303
    assert campaign.name in text_of(alice.page.get("/trash"))
    assert alice.page.get(f"/campaigns/{campaign.id}").status_code == 404
    assert alice.page.post(f"/trash/campaign/{campaign.id}/restore").status_code in (200, 303)
    assert alice.page.get(f"/campaigns/{campaign.id}").status_code == 200
