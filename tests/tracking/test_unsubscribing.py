"""Leaving by the link of a mail: looking changes nothing, a press does at once, without cookies, for ever, for the right person alone."""

from typing import Any

import pytest
from sqlalchemy import delete, select

from tests.factories.contacts import make_contact
from tests.factories.tracking import make_sent_campaign
from tests.house.things import snapshot
from tests.tracking.readers import Reader, happened
from webapp.campaigns import marks
from webapp.campaigns.models import Campaign
from webapp.contacts import merging, service
from webapp.contacts.models import Consent, Contact, Engagement
from webapp.core import secrets
from webapp.core.db import db
from webapp.sending.models import Delivery
from webapp.suppressions import lookup
from webapp.suppressions.models import Suppression

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def barred(person: Any, *addresses: str, stream: str = "bulk") -> set[str]:
    return set(lookup.barred(person.workspace.id, addresses, stream))


def test_c58_c70_looking_at_the_page_changes_nothing(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    before = snapshot(alice.workspace.id)
    for method in ("GET", "HEAD", "OPTIONS"):
        answer = Reader(app).ask(method, f"/u/{sent.token()}", query_string={"do": "unsubscribe", **ONE_CLICK})
        assert answer.status_code == 200 and "Set-Cookie" not in answer.headers
    for method in ("PUT", "PATCH", "DELETE"):
        assert Reader(app).ask(method, f"/u/{sent.token()}").status_code == 405
    assert snapshot(alice.workspace.id) == before


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_c70_one_click_ends_campaigns_at_once_without_cookies_or_redirect(app: Any, alice: Any, kind: str) -> None:
    sent = make_sent_campaign(alice)
    answer = Reader(app, "").post(f"/u/{sent.token()}", data=ONE_CLICK, content_type=kind)
    assert answer.status_code == 200 and answer.mimetype == "text/plain" and "Set-Cookie" not in answer.headers
    contact = db.session.get_one(Contact, sent.contacts[0].id)
    assert not contact.subscribed and contact.unsubscribed_at is not None and contact.lead_score == 0
    assert barred(alice, contact.address) and not barred(alice, contact.address, stream="transactional")
    assert sent.number("unsubscribed") == 1
    assert db.session.get_one(Engagement, (sent.campaign.id, contact.id)).unsubscribed_at is not None
    (event,) = happened(alice.workspace.id, "unsubscribed")
    assert (event.campaign_id, event.contact_id, event.recipient) == (sent.campaign.id, contact.id, contact.address)
    proof = db.session.scalars(select(Consent)).one()
    assert (proof.what, proof.source, proof.ip, proof.campaign_id) == ("unsubscribed", "one_click", "192.0.2.7", sent.campaign.id)


BODIES = (b"", b"\xff\xfe", b'{"List-Unsubscribe": "One-Click"}', b"List-Unsubscribe=One-Click&do=none", b"a=%zz&&&=")


def test_any_body_of_a_press_unsubscribes(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice, *(f"p{place}@people.test" for place in range(len(BODIES))))
    for place, body in enumerate(BODIES):
        for kind in (None, "application/x-www-form-urlencoded", "application/json"):
            assert Reader(app).post(f"/u/{sent.token(place)}", data=body, content_type=kind).status_code == 200, body
        assert not db.session.get_one(Contact, sent.contacts[place].id).subscribed, body
    assert sent.number("unsubscribed") == len(BODIES)


def test_the_page_names_the_workspace_and_hides_the_address_and_its_button_works(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice, "ines.lindgren@people.test")
    page = Reader(app).get(f"/u/{sent.token()}")
    assert "Acme" in page.text and "i•••@people.test" in page.text and "lindgren" not in page.text and "Mailroom" not in page.text
    assert page.headers["Referrer-Policy"] == "no-referrer" and "script" not in page.text
    done = Reader(app).post(f"/u/{sent.token()}", data={"do": "unsubscribe"})
    assert done.status_code == 200 and "You are unsubscribed" in done.text and "Subscribe again" in done.text
    assert not db.session.get_one(Contact, sent.contacts[0].id).subscribed
    assert "You are unsubscribed" in Reader(app).get(f"/u/{sent.token()}").text


def test_whoever_pressed_by_mistake_comes_back_with_evidence(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    Reader(app).post(f"/u/{sent.token()}")
    back = Reader(app).post(f"/u/{sent.token()}", data={"do": "subscribe"})
    assert "You get mail again" in back.text
    contact = db.session.get_one(Contact, sent.contacts[0].id)
    assert contact.subscribed and not barred(alice, contact.address)
    proofs = list(db.session.scalars(select(Consent).order_by(Consent.id)))
    assert [proof.what for proof in proofs] == ["unsubscribed", "subscribed"] and "Subscribe again" in (proofs[1].evidence or "")
    Reader(app).post(f"/u/{sent.token()}")
    assert sent.number("unsubscribed") == 1, "one person is counted once"


def test_nobody_comes_back_by_the_link_after_calling_it_spam(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    alice.api.post("/suppressions", json={"address": sent.contacts[0].address, "reason": "complaint"})
    page = Reader(app).post(f"/u/{sent.token()}")
    assert "Subscribe again" not in page.text
    Reader(app).post(f"/u/{sent.token()}", data={"do": "subscribe"})
    assert not db.session.get_one(Contact, sent.contacts[0].id).subscribed


def test_whoever_was_never_subscribed_is_kept_away_too(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    contact = db.session.get_one(Contact, sent.contacts[0].id)
    contact.subscribed = False
    db.session.commit()
    assert Reader(app).post(f"/u/{sent.token()}", data=ONE_CLICK).status_code == 200
    assert barred(alice, contact.address)


def test_c70_after_a_merge_the_old_link_ends_mail_to_both_addresses(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    old, kept = sent.contacts[0].address, make_contact(alice, "kept@people.test")
    merging.merge(alice.actor, kept.id, sent.contacts[0].id)
    db.session.commit()
    assert Reader(app).post(f"/u/{sent.token()}", data=ONE_CLICK).status_code == 200
    assert not db.session.get_one(Contact, kept.id).subscribed
    assert barred(alice, old, "kept@people.test") == {old, "kept@people.test"}
    assert sent.number("unsubscribed") == 1


def test_c70_years_later_a_deleted_contact_still_leaves_by_its_link_and_stays_away_when_it_comes_in_again(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    address, token = sent.contacts[0].address, sent.token()
    service.delete_contact(alice.actor, sent.contacts[0].id)
    db.session.execute(delete(Delivery))
    db.session.execute(delete(Campaign))
    db.session.commit()
    assert "You get no more of these mails" in Reader(app).get(f"/u/{token}").text
    assert not barred(alice, address)
    assert Reader(app).post(f"/u/{token}", data=ONE_CLICK).status_code == 200
    assert barred(alice, address)
    row = db.session.scalars(select(Suppression)).one()
    assert row.address is None, "the list knows a hash, not who it was"
    assert not make_contact(alice, address).subscribed


def test_c70_links_work_after_the_key_was_rotated(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    token, keys = sent.token(), app.config["SETTINGS"].secret_keys
    secrets.configure(("brand new key " * 3, *keys))
    try:
        assert Reader(app).post(f"/u/{token}", data=ONE_CLICK).status_code == 200
    finally:
        secrets.configure(keys)
    assert not db.session.get_one(Contact, sent.contacts[0].id).subscribed


def test_a_ledger_that_still_knows_the_address_is_asked_when_nothing_else_does(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    token, address = sent.token(), sent.contacts[0].address
    db.session.execute(delete(Contact))
    db.session.commit()
    assert Reader(app).post(f"/u/{token}", data=ONE_CLICK).status_code == 200 and barred(alice, address)


def test_c70_a_mark_that_is_not_ours_is_a_helpful_page_and_changes_nothing(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    before = snapshot(alice.workspace.id)
    for token in (sent.token()[:-2] + "xm", sent.token() + "x", "A" * 32 + "m", "x"):
        for answer in (Reader(app).get(f"/u/{token}"), Reader(app).post(f"/u/{token}", data=ONE_CLICK), Reader(app).get(f"/v/{token}")):
            assert answer.status_code == 404 and "Open the link from the mail itself" in answer.text
    assert snapshot(alice.workspace.id) == before


def test_c70_a_mark_reaches_its_own_person_alone_and_signs_nobody_in(app: Any, alice: Any, eve: Any) -> None:
    sent = make_sent_campaign(alice, "one@people.test", "two@people.test")
    theirs = make_sent_campaign(eve, "three@people.test")
    before = snapshot(eve.workspace.id)
    reader = Reader(app)
    reader.post(f"/u/{sent.token(0)}", data=ONE_CLICK)
    assert db.session.get_one(Contact, sent.contacts[1].id).subscribed and db.session.get_one(Contact, theirs.contacts[0].id).subscribed
    assert snapshot(eve.workspace.id) == before
    assert reader.get("/contacts").status_code == 303
    for headers in ({"Authorization": f"Bearer {sent.token()}"}, {"Cookie": f"mailroom={sent.token()}"}):
        assert reader.get("/api/v1/contacts", headers=headers).status_code == 401


def test_a_mark_that_mixes_workspaces_counts_for_no_campaign(app: Any, alice: Any, eve: Any) -> None:
    mine, theirs = make_sent_campaign(alice), make_sent_campaign(eve, "three@people.test")
    mixed = marks.token(mine.campaign.id, theirs.contacts[0].id)
    assert Reader(app).post(f"/u/{mixed}", data=ONE_CLICK).status_code == 200
    assert mine.number("unsubscribed") == 0 and not happened(alice.workspace.id, "unsubscribed")
    (event,) = happened(eve.workspace.id, "unsubscribed")
    assert event.campaign_id is None


def test_links_of_test_mails_say_so_and_change_nothing(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    token, before = marks.token(sent.campaign.id, marks.NOBODY), snapshot(alice.workspace.id)
    assert "This was a test mail" in Reader(app).get(f"/u/{token}").text
    assert Reader(app).post(f"/u/{token}", data=ONE_CLICK).status_code == 200
    assert Reader(app).post(f"/u/{token}", data={"do": "subscribe"}).status_code == 200
    assert snapshot(alice.workspace.id) == before


def test_a_forged_host_changes_no_address_on_the_page(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    page = Reader(app).get(f"/u/{sent.token()}", headers={"Host": "evil.test", "X-Forwarded-Host": "evil.test"})
    assert page.status_code == 200 and "evil.test" not in page.text
