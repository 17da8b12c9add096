"""The editor of a draft saves by itself: what can be kept is kept, nobody is overwritten, and the audit log is not flooded."""

import re
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from tests.campaigns.test_pages_campaigns import text_of, typed
from tests.factories.contacts import make_group
from tests.factories.drafts import make_draft
from webapp.audit.models import AuditEntry
from webapp.campaigns import service
from webapp.campaigns.models import Campaign
from webapp.core.db import db, utcnow


def again(campaign: Campaign) -> Campaign:
    db.session.expire_all()
    return db.session.get_one(Campaign, campaign.id)


def changes_told() -> int:
    return db.session.scalar(select(func.count()).where(AuditEntry.action == "campaign.update")) or 0


def stamp_in(answer: Any) -> str:
    found = re.search(r'data-stamp="(\d+)"', text_of(answer))
    assert found, text_of(answer)
    return found[1]


def test_what_was_typed_is_kept_and_the_next_save_goes_on_from_there(alice: Any) -> None:
    campaign = make_draft(alice)
    path = f"/campaigns/{campaign.id}"
    first = alice.page.post(f"{path}/autosave", typed(campaign, subject="One"), htmx=True)
    assert first.status_code == 200 and "Saved" in text_of(first) and again(campaign).subject == "One"
    second = alice.page.post(f"{path}/autosave", typed(campaign, subject="Two", stamp=stamp_in(first)), htmx=True)
    assert second.status_code == 200 and again(campaign).subject == "Two"
    assert alice.page.post(f"{path}/edit", typed(campaign, subject="Three", stamp=stamp_in(second))).status_code == 303
    assert again(campaign).subject == "Three"


def test_fields_that_cannot_be_kept_are_named_and_the_others_are_kept(alice: Any) -> None:
    campaign = make_draft(alice)
    sender = campaign.from_email
    given = {"subject": "New words", "from_email": "me@elsewhere.test", "send_rate": "soon", "name": "", "reply_to": "nobody"}
    answer = alice.page.post(f"/campaigns/{campaign.id}/autosave", typed(campaign, **given), htmx=True)
    page = text_of(answer)
    assert answer.status_code == 200 and "without: " in page and stamp_in(answer)
    assert all(label in page for label in ("Sender's address", "Most mails a minute", "Name, ", "Answers go to", "elsewhere.test is not"))
    kept = again(campaign)
    assert (kept.subject, kept.from_email, kept.send_rate, kept.reply_to) == ("New words", sender, None, None) and kept.name


def test_nobody_is_overwritten_and_the_writer_is_told_who_saved(alice: Any, bob: Any) -> None:
    campaign = make_draft(alice)
    mine = typed(campaign, subject="Alice's words")
    bob.page.post(f"/campaigns/{campaign.id}/autosave", typed(campaign, subject="Bob's words"), htmx=True)
    answer = alice.page.post(f"/campaigns/{campaign.id}/autosave", mine, htmx=True)
    assert answer.status_code == 409 and f"{bob.actor.name} saved this campaign" in text_of(answer)
    whole = alice.page.post(f"/campaigns/{campaign.id}/edit", mine)
    page = text_of(whole)
    assert whole.status_code == 409 and "Alice's words" in page and "Save mine over it" in page and "data-autosave" not in page
    assert again(campaign).subject == "Bob's words"
    over = re.search(r'name="over" value="(\d+)"', page)
    assert over and alice.page.post(f"/campaigns/{campaign.id}/edit", {**mine, "over": over[1]}).status_code == 303
    assert again(campaign).subject == "Alice's words"
    stale = bob.page.post(f"/campaigns/{campaign.id}/edit", {**mine, "subject": "Late", "over": over[1]})
    assert stale.status_code == 409 and again(campaign).subject == "Alice's words", "the third save in between counts too"


def test_only_a_draft_is_saved_by_itself(alice: Any) -> None:
    campaign = make_draft(alice)
    service.schedule(alice.actor, campaign.id, utcnow() + timedelta(days=1))
    db.session.commit()
    assert "data-autosave" not in text_of(alice.page.get(f"/campaigns/{campaign.id}/edit"))
    answer = alice.page.post(f"/campaigns/{campaign.id}/autosave", typed(again(campaign), subject="Half a wor"), htmx=True)
    assert answer.status_code == 409 and "only drafts are saved by themselves" in text_of(answer)
    assert again(campaign).subject == campaign.subject != "Half a wor"


def test_words_share_an_entry_of_the_audit_log_and_the_audience_never_does(alice: Any, bob: Any) -> None:
    campaign, group = make_draft(alice), make_group(alice)

    def save(person: Any, **changes: Any) -> None:
        answer = person.page.post(f"/campaigns/{campaign.id}/autosave", typed(again(campaign), **changes), htmx=True)
        assert answer.status_code == 200, text_of(answer)

    for letter in ("<p>A</p>", "<p>Ab</p>", "<p>Abc</p>"):
        save(alice, body_html=letter)
    assert changes_told() == 1
    save(alice, group_ids=[group.id])
    assert changes_told() == 2 and again(campaign).group_ids == [group.id]
    save(bob, body_html="<p>Bob</p>")
    save(bob, body_html="<p>Bobby</p>")
    assert changes_told() == 3
    save(bob)
    assert changes_told() == 3 and again(campaign).body_html == "<p>Bobby</p>"
