"""The letter in a browser: filled in for its reader, on an origin of its own, for whom the link was made."""

from typing import Any

from tests.factories.tracking import make_sent_campaign
from tests.house.things import snapshot
from tests.tracking.readers import Reader, write_down
from webapp.campaigns import marks
from webapp.contacts import service
from webapp.core.db import db
from webapp.tracking import viewing

EVIL = '<h1>Hi {{contact.first_name|default:"friend"}}</h1><script>alert(1)</script><img src=x onerror="alert(2)"><form action="/login">'


def test_c57_a_stored_script_cannot_run_in_the_origin_of_the_application(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice, body_html=EVIL)
    answer = Reader(app).get(f"/v/{sent.token()}")
    assert answer.status_code == 200 and "Hi Ann" in answer.text
    policy = {part.split()[0]: part.split()[1:] for part in answer.headers["Content-Security-Policy"].split("; ")}
    assert set(policy["sandbox"]) == {"allow-popups", "allow-popups-to-escape-sandbox"}
    assert policy["default-src"] == ["'none'"] and "script-src" not in policy and policy["form-action"] == ["'none'"]
    assert policy["frame-ancestors"] == ["'none'"] and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer" and "Set-Cookie" not in answer.headers


def test_reading_in_the_browser_counts_and_changes_nothing(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    before = snapshot(alice.workspace.id)
    answer = Reader(app).get(f"/v/{sent.token()}")
    assert "/t/o/" not in answer.text, "it has no pixel"
    assert write_down(app) == 0 and snapshot(alice.workspace.id) == before


def test_links_in_the_browser_belong_to_the_reader(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    assert f"/u/{sent.token()}" in Reader(app).get(f"/v/{sent.token()}").text


def test_a_letter_stays_readable_without_its_reader_and_not_without_permission(app: Any, alice: Any, eve: Any) -> None:
    sent = make_sent_campaign(alice)
    token = sent.token()
    service.delete_contact(alice.actor, sent.contacts[0].id)
    db.session.commit()
    assert "Hello there" in Reader(app).get(f"/v/{token}").text
    theirs = make_sent_campaign(eve, "three@people.test")
    assert Reader(app).get(f"/v/{marks.token(sent.campaign.id, theirs.contacts[0].id)}").status_code == 404
    sent.campaign.web_view = False
    db.session.commit()
    assert Reader(app).get(f"/v/{token}").status_code == 404


def test_a_letter_that_can_no_longer_be_read_is_a_plain_page(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice, body_html="<mjml>broken", body_format="mjml")
    answer = Reader(app).get(f"/v/{sent.token()}")
    assert answer.status_code == 404 and "cannot be shown" in answer.text


def test_a_test_mails_link_shows_the_draft_with_made_up_values(app: Any, alice: Any) -> None:
    sent = make_sent_campaign(alice)
    assert "Hello Ada" in Reader(app).get(f"/v/{marks.token(sent.campaign.id, marks.NOBODY)}").text


def test_the_document_has_a_title_and_keeps_the_one_of_its_author() -> None:
    assert viewing.titled('<html><head lang="en"><meta></head>', "<b> & co") == (
        '<html><head lang="en"><title>&lt;b&gt; &amp; co</title><meta></head>'
    )
    assert viewing.titled("<p>Hi</p>", "News") == "<title>News</title><p>Hi</p>"
    assert viewing.titled("<TITLE>Mine</TITLE><header>", "News") == "<TITLE>Mine</TITLE><header>"
