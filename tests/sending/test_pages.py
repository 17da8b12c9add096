"""The sending log and the compose page, as a browser without script and as htmx."""

from typing import Any

import pytest

from tests.factories.mailboxes import make_mailbox
from tests.factories.sending import Script, Sink, deliveries, make_outgoing, run_drain, use_transport
from webapp.core.db import db
from webapp.mail.mime import parse
from webapp.messages import service as messages
from webapp.messages import store
from webapp.messages.models import Message
from webapp.sending.models import Outgoing


@pytest.fixture
def mailbox(alice: Any) -> Any:
    return make_mailbox(alice, "orders@acme.test")


def test_an_empty_log_teaches_and_offers_one_button(alice: Any) -> None:
    page = alice.page.get("/queue").text
    assert "Nothing was sent yet" in page and 'href="/mail/new"' in page and "curl" in page
    assert "Nothing leaves this machine" in page, "the notice of capture"


def test_the_log_says_for_each_row_where_it_is_and_why(app: Any, alice: Any, mailbox: Any) -> None:
    with Sink(Script(rcpt={"b@example.org": b"450 4.2.0 <script>alert(1)</script>\r\n"})) as sink:
        use_transport(app, sink.url)
        make_outgoing(alice, "a@example.org", "b@example.org", mailbox=mailbox)
        run_drain()
    page = alice.page.get("/queue").text
    assert "took it with 250 2.0.0 taken." in page
    assert "asked to try later (450 4.2.0 &lt;script&gt;alert(1)&lt;/script&gt;); 1 attempt so far" in page and "<script>alert" not in page
    assert "Nothing leaves this machine" not in page
    part = alice.page.get("/queue?state=deferred", htmx=True).text
    assert "b@example.org" in part and "a@example.org" not in part and "<html" not in part


def test_a_filter_that_finds_nothing_says_so_and_shows_the_way_back(alice: Any, mailbox: Any) -> None:
    make_outgoing(alice, mailbox=mailbox)
    assert "No delivery matches the filter" in alice.page.get("/queue?q=nobody@example.org").text
    assert "ada@example.org" in alice.page.get("/queue?q=ada").text


def test_a_delivery_shows_attempts_dialogue_activity_and_the_call(app: Any, alice: Any, mailbox: Any) -> None:
    with Sink() as sink:
        use_transport(app, sink.url)
        make_outgoing(alice, mailbox=mailbox)
        run_drain()
    page = alice.page.get(f"/queue/{deliveries()[0].id}").text
    for text in ("C: RCPT TO:&lt;ada@example.org&gt;", "S: 250 2.0.0 taken", "As API", "Activity", "Hello", "&lt;"):
        assert text in page, text
    assert alice.page.get("/queue/999").status_code == 404


def test_the_buttons_do_what_they_say_with_a_confirmation_for_cancel(app: Any, alice: Any, mailbox: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    make_outgoing(alice, mailbox=mailbox)
    number = deliveries()[0].id
    done = alice.page.post(f"/queue/{number}/hold")
    assert done.status_code == 303 and deliveries()[0].state == "held"
    assert "Held by alice@acme.test" in alice.page.get(f"/queue/{number}").text
    asked = alice.page.get(f"/queue/{number}/cancel").text
    assert "will not get" in asked and "Cancel delivery" in asked and deliveries()[0].state == "held", "GET changes nothing"
    live = alice.page.post(f"/queue/{number}/cancel", htmx=True)
    assert live.status_code == 201 and "deliveries-changed" in live.headers["HX-Trigger"] and deliveries()[0].state == "cancelled"
    page = alice.page.get(f"/queue/{number}").text
    assert "cancelled delivery" in page and "held delivery" in page, "the activity"
    assert alice.page.post(f"/queue/{number}/retry").status_code == 409


def test_a_viewer_sees_disabled_buttons_with_the_reason(app: Any, alice: Any, carol: Any, eve: Any, mailbox: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    make_outgoing(alice, mailbox=mailbox)
    number = deliveries()[0].id
    page = carol.page.get(f"/queue/{number}").text
    assert "needs deliveries:write" in page and f'action="/queue/{number}/hold"' not in page
    assert carol.page.post(f"/queue/{number}/hold").status_code == 403
    assert carol.page.get("/mail/new").status_code == 403
    assert eve.page.get(f"/queue/{number}").status_code == 404 and eve.page.post(f"/queue/{number}/hold").status_code == 404


def test_a_person_writes_a_mail_in_the_browser(alice: Any, mailbox: Any) -> None:
    page = alice.page.get(f"/mail/new?mailbox_id={mailbox.id}&to=ada@example.org").text
    assert "orders@acme.test" in page and 'value="ada@example.org"' in page and "Nothing leaves this machine" in page
    typed = "Ada Lovelace <ada@example.org>; bob@example.org"
    data = {"mailbox_id": mailbox.id, "receivers": typed, "cc": "", "subject": "Grüße", "body": "Hi\r\n.\r\nbye"}
    sent = alice.page.post("/mail/new", data)
    assert sent.status_code == 303
    assert [row.recipient for row in deliveries()] == ["ada@example.org", "bob@example.org"]
    mail = parse(store.raw_of(db.session.query(Message).one()))
    assert mail.subject == "Grüße" and mail.text.split() == ["Hi", ".", "bye"]
    assert "ada@example.org" in alice.page.get(sent.headers["Location"]).text


def test_a_refused_mail_keeps_what_was_typed_and_names_the_field(alice: Any, mailbox: Any) -> None:
    data = {"mailbox_id": mailbox.id, "receivers": "ada", "subject": "Kept", "body": "Kept too"}
    page = alice.page.post("/mail/new", data)
    assert page.status_code == 422
    assert "has no @" in page.text and 'value="Kept"' in page.text and "Kept too" in page.text
    assert deliveries() == []


def test_a_paused_mailbox_is_refused_above_the_form(alice: Any) -> None:
    paused = make_mailbox(alice, "paused@acme.test", status="paused")
    page = alice.page.post("/mail/new", {"mailbox_id": paused.id, "receivers": "ada@example.org", "body": "x"})
    assert page.status_code == 409 and "is paused" in page.text and 'value="ada@example.org"' in page.text


def test_another_workspace_s_mailbox_is_no_choice(alice: Any, eve: Any, mailbox: Any) -> None:
    page = eve.page.post("/mail/new", {"mailbox_id": mailbox.id, "receivers": "ada@example.org", "body": "x"})
    assert page.status_code == 422 and deliveries() == []
    assert "No mailbox may send yet" in eve.page.get("/mail/new").text


RECEIVED = (
    b"From: Ada <ada@example.org>\r\nReply-To: desk@example.org\r\nTo: orders@acme.test\r\nSubject: Frame 17\r\n"
    b"Message-ID: <m2@example.org>\r\nReferences: <m0@example.org> <m1@example.org>\r\n"
    b"Date: Tue, 01 Sep 2026 12:00:00 +0000\r\n\r\nWhere is it?\r\nAda\r\n"
)


def test_an_answer_is_prefilled_quotes_the_mail_and_joins_its_thread(alice: Any, eve: Any, mailbox: Any) -> None:
    message = store.store_message(workspace_id=alice.workspace.id, mailbox_id=mailbox.id, direction="received", raw=RECEIVED)
    db.session.commit()
    page = alice.page.get(f"/mail/new?reply={message.id}").text
    assert 'value="desk@example.org"' in page and 'value="Re: Frame 17"' in page
    assert "Ada wrote:" in page and "&gt; Where is it?" in page
    data = {"mailbox_id": mailbox.id, "receivers": "desk@example.org", "subject": "Re: 17", "body": "Today.", "reply": str(message.id)}
    assert alice.page.post("/mail/new", data).status_code == 303
    raw = store.load_raw(db.session.query(Outgoing).one().raw_id)
    mail = parse(raw)
    assert mail.in_reply_to.strip("<>") == "m2@example.org"
    assert b"References: <m0@example.org> <m1@example.org> <m2@example.org>\r\n" in raw.replace(b"\r\n ", b" ")
    assert eve.page.get(f"/mail/new?reply={message.id}").status_code == 404
    assert f'href="/mail/new?reply={message.id}"' in alice.page.get(f"/mail/{message.id}").text, "the message offers it"


def test_the_archived_mail_tells_each_step_of_its_delivery(app: Any, alice: Any, mailbox: Any) -> None:
    with Sink(Script(rcpt={"b@example.org": b"550 5.1.1 unknown\r\n"})) as sink:
        use_transport(app, sink.url)
        outgoing = make_outgoing(alice, "a@example.org", "b@example.org", mailbox=mailbox)
        run_drain()
    message = db.session.get_one(Message, outgoing.message_id)
    message.state = "processed"
    titles = {step.title: step for step in messages.timeline(alice.actor, message)}
    assert "For 2 recipients." in titles["Accepted for sending"].text
    assert titles["Handed over for a@example.org"].code == "250 2.0.0 taken"
    assert titles["Refused for b@example.org"].state == "bounced"
    sentence = messages.explain(alice.actor, message).sentence
    assert "of its recipients" in sentence and "1 sent" in sentence and "1 bounced" in sentence
