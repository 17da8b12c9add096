"""mail/send and /deliveries as programs see them."""

import base64
from typing import Any

import pytest

from tests.factories.domains import make_domain
from tests.factories.mailboxes import make_mailbox
from tests.factories.sending import Script, Sink, deliveries, make_outgoing, run_drain, use_transport
from webapp.audit.models import AuditEntry
from webapp.core import events
from webapp.core.db import db
from webapp.mail.mime import parse
from webapp.messages import store
from webapp.messages.models import Message
from webapp.sending import ledger


@pytest.fixture
def mailbox(alice: Any) -> Any:
    return make_mailbox(alice, "orders@acme.test", display_name="Acme orders")


def send(person: Any, mailbox: Any, spelling: str = "/mailboxes/{}/mail/send", **body: Any) -> Any:
    content = {"receivers": ["ada@example.org"], "subject": "Hello", "body": "It works.", **body}
    return person.api.post(spelling.format(mailbox.id), json=content)


@pytest.mark.parametrize("spelling", [f"/{word}/{{}}/mail/send{end}" for word in ("mailboxes", "mailbox") for end in ("", "/")])
def test_a_mail_is_accepted_under_every_spelling_and_archived_as_sent(alice: Any, mailbox: Any, spelling: str) -> None:
    answer = send(alice, mailbox, spelling)
    assert answer.status_code == 202, answer.json
    data = answer.json["data"]
    assert set(data) == {"archive_id", "message_id", "status"} and data["status"] == "queued"
    message = db.session.get_one(Message, data["archive_id"])
    assert message.direction == "sent" and message.mailbox_id == mailbox.id
    mail = parse(store.raw_of(message))
    assert (mail.sender, mail.sender_name, mail.subject, mail.text.strip()) == ("orders@acme.test", "Acme orders", "Hello", "It works.")
    assert f"<{mail.message_id.strip('<>')}>" == data["message_id"] and data["message_id"].endswith("@mail.acme.test>")


def test_blind_copies_are_recipients_and_stand_nowhere_in_the_mail(alice: Any, mailbox: Any) -> None:
    hidden = ["secret@example.net", "ADA@example.org"]
    answer = send(alice, mailbox, cc=["Bob <bob@example.org>"], bcc=hidden, html="<p>Hi</p>", reply_to="desk@acme.test")
    message = db.session.get_one(Message, answer.json["data"]["archive_id"])
    raw = store.raw_of(message)
    assert b"secret" not in raw and b"Bcc" not in raw
    assert [row.recipient for row in deliveries()] == ["ada@example.org", "bob@example.org", "secret@example.net"]
    mail = parse(raw)
    assert [address for _, address in mail.cc] == ["bob@example.org"] and [address for _, address in mail.reply_to] == ["desk@acme.test"]
    assert "Hi" in (mail.html or "") and mail.text.strip() == "It works."


def test_attachments_and_headers_of_the_caller_are_sent_along(alice: Any, mailbox: Any) -> None:
    content = base64.b64encode(b"%PDF-1.4 hello").decode()
    file = {"filename": "Rechnung ä.pdf", "content_type": "application/pdf", "content": content}
    answer = send(alice, mailbox, headers={"X-Order": "17", "In-Reply-To": "<m1@example.org>"}, attachments=[file])
    mail = parse(store.raw_of(db.session.get_one(Message, answer.json["data"]["archive_id"])))
    assert mail.header("X-Order") == "17" and mail.header("In-Reply-To") == "<m1@example.org>"
    [sent] = mail.attachments
    assert (sent.filename, sent.content_type, sent.content) == ("Rechnung ä.pdf", "application/pdf", b"%PDF-1.4 hello")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"receivers": []}, "receivers"),
        ({"receivers": ["ada"]}, "receivers.0"),
        ({"receivers": ["ada@example.org\r\nBcc: x@y.test"]}, "receivers.0"),
        ({"cc": ["ada@example.org", "Bob\u2028 <b@example.org>"]}, "cc.1"),
        ({"subject": "a\r\nBcc: x@y.test"}, "subject"),
        ({"subject": "a\u2029b"}, "subject"),
        ({"headers": {"X-A": "b\nX-C: d"}}, "headers.X-A"),
        ({"headers": {"X-A\r\nX-B": "c"}}, "headers.X-A\r\nX-B"),
        ({"headers": {"References": "<a@b>\r\nBcc: x@y.test"}}, "headers.References"),
        ({"headers": {"From": "boss@acme.test"}}, "headers.From"),
        ({"reply_to": "x@y.test\nBcc: z@y.test"}, "reply_to"),
        ({"body": None}, "body"),
        ({"attachments": [{"filename": "a\r\nb", "content": ""}]}, "attachments.0.filename"),
        ({"attachments": [{"filename": "a.txt", "content": "no base64!"}]}, "attachments.0.content"),
        ({"sender": "boss@acme.test"}, "sender"),
        ({"receivers": [f"p{number}@example.org" for number in range(1001)]}, "receivers"),
    ],
)
def test_c68_what_is_not_right_is_422_and_leaves_nothing(alice: Any, mailbox: Any, body: dict[str, Any], field: str) -> None:
    answer = send(alice, mailbox, **body)
    assert answer.status_code == 422, answer.json
    assert field in answer.json["error"]["details"], answer.json["error"]["details"]
    assert deliveries() == [] and db.session.query(Message).count() == 0


def test_who_may_not_send_is_told_why(alice: Any, bob: Any, carol: Any, eve: Any, mailbox: Any) -> None:
    assert send(carol, mailbox).status_code == 403
    assert send(eve, mailbox).status_code == 404
    assert send(bob, mailbox).status_code == 202
    token = alice.token_with("deliveries:read")
    refused = token.post(f"/mailboxes/{mailbox.id}/mail/send", json={"receivers": ["a@example.org"], "body": "x"})
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "insufficient_scope")
    narrow = alice.token_with("messages:send")
    assert narrow.post(f"/mailboxes/{mailbox.id}/mail/send", json={"receivers": ["a@example.org"], "body": "x"}).status_code == 202


def test_a_mailbox_that_may_not_send_a_paused_one_and_one_at_its_limit(alice: Any) -> None:
    mute = make_mailbox(alice, can_send=False)
    paused = make_mailbox(alice, status="paused")
    limited = make_mailbox(alice, hourly_limit=2)
    assert send(alice, mute).status_code == 403
    assert (send(alice, paused).status_code, send(alice, paused).json["error"]["code"]) == (409, "invalid_state")
    assert [send(alice, limited).status_code for _ in range(3)] == [202, 202, 429]
    last = send(alice, limited)
    assert 3500 < int(last.headers["Retry-After"]) <= 3600 and "2 mails an hour" in last.json["error"]["message"]


def test_a_mail_beyond_the_size_of_its_mailbox_is_413(alice: Any) -> None:
    small = make_mailbox(alice, max_message_bytes=5000)
    assert send(alice, small, body="x" * 20_000).status_code == 413
    assert deliveries() == []


def test_a_token_for_other_mailboxes_finds_neither_mailbox_nor_delivery(alice: Any, mailbox: Any) -> None:
    other = make_mailbox(alice, "other@acme.test")
    send(alice, mailbox)
    delivery = deliveries()[0]
    token = alice.token_with("*", mailbox_ids=[other.id])
    assert token.post(f"/mailboxes/{mailbox.id}/mail/send", json={"receivers": ["a@example.org"], "body": "x"}).status_code == 404
    assert token.get(f"/deliveries/{delivery.id}").status_code == 404
    assert token.post(f"/deliveries/{delivery.id}:cancel").status_code == 404
    assert token.get("/deliveries").json["data"] == []
    elsewhere = alice.token_with("*", domain_ids=[make_domain(alice).id])
    assert elsewhere.get("/deliveries").json["data"] == []
    assert alice.token_with("*", domain_ids=[mailbox.domain_id]).get("/deliveries").json["data"][0]["id"] == delivery.id


def test_automation_hears_of_the_mail_unless_it_is_told_not_to(alice: Any, mailbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    monkeypatch.setitem(events._ears, "mail_submitted", [lambda message_id: heard.append(message_id)])
    first = send(alice, mailbox).json["data"]["archive_id"]
    send(alice, mailbox, run_routes=False)
    assert heard == [first]


def test_an_idempotency_key_sends_once(alice: Any, mailbox: Any) -> None:
    body = {"receivers": ["ada@example.org"], "body": "x"}
    answers = [alice.api.post(f"/mailbox/{mailbox.id}/mail/send/", json=body, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json["data"] == answers[1].json["data"] and answers[1].headers["X-Idempotency-Replayed"] == "true"
    assert len(deliveries()) == 1


def test_the_list_is_narrowed_by_state_recipient_domain_mailbox_and_time_and_paged_by_cursor(app: Any, alice: Any, mailbox: Any) -> None:
    make_outgoing(alice, *[f"p{number}@example.org" for number in range(30)], mailbox=mailbox)
    make_outgoing(alice, "ada@example.net", mailbox=make_mailbox(alice, "other@acme.test"))
    first = alice.api.get("/deliveries").json
    assert len(first["data"]) == 25 and first["meta"]["total"] == 31 and first["meta"]["has_more"]
    second = alice.api.get(f"/deliveries?cursor={first['meta']['next_cursor']}").json
    assert len({row["id"] for row in first["data"] + second["data"]}) == 31
    assert first["data"][0]["recipient"] == "ada@example.net", "newest first"

    def found(query: str) -> list[str]:
        return [row["recipient"] for row in alice.api.get(f"/deliveries?{query}").json["data"]]

    assert found("recipient=P3@example.org") == ["p3@example.org"]
    assert sorted(found("recipient=p2")) == sorted(["p2@example.org", *[f"p2{number}@example.org" for number in range(10)]])
    assert found("recipient=@example.net") == found("domain=Example.NET") == ["ada@example.net"]
    assert found(f"mailbox_id={mailbox.id}&state=captured&per_page=100").count("ada@example.net") == 0
    assert found("state=sent") == [] and found("created_before=2020-01-01") == []
    assert len(found("created_after=2020-01-01&per_page=100")) == 31
    assert alice.api.get("/deliveries?state=lost").status_code == 422


def test_one_delivery_shows_why_and_every_attempt_with_its_dialogue(app: Any, alice: Any, mailbox: Any) -> None:
    with Sink(Script(rcpt_default=b"450 4.2.0 greylisted\r\n")) as sink:
        use_transport(app, sink.url)
        send(alice, mailbox)
        run_drain()
        host = sink.url.removeprefix("smtp://")
    row = alice.api.get("/deliveries").json["data"][0]
    shown = alice.api.get(f"/deliveries/{row['id']}").json["data"]
    assert shown["state"] == "deferred" and shown["attempt_count"] == 1 and shown["last_code"] == 450
    assert shown["why"].startswith(f"{host} asked to try later (450 4.2.0 greylisted); 1 attempt so far, the next one in")
    [attempt] = shown["attempts"]
    assert attempt["outcome"] == "retry" and attempt["host"] == host
    assert any("RCPT TO:<ada@example.org>" in line for line in attempt["dialogue"])
    assert {key: shown[key] for key in row if key not in ("why",)} == {key: row[key] for key in row if key not in ("why",)}


def test_retry_hold_release_and_cancel_change_the_row_and_stand_in_the_audit_log(app: Any, alice: Any, mailbox: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    send(alice, mailbox)
    run_drain()
    [row] = deliveries()
    assert row.state == "deferred"
    path = f"/deliveries/{row.id}"
    steps = [("hold", "held"), ("release", "queued"), ("hold", "held"), ("cancel", "cancelled")]
    for verb, state in steps:
        answer = alice.api.post(f"{path}:{verb}")
        assert (answer.status_code, answer.json["data"]["state"]) == (200, state), verb
    assert alice.api.get(path).json["data"]["why"] == "Cancelled before it left, after 1 attempt; it is not sent any more."
    late = alice.api.post(f"{path}:retry")
    assert (late.status_code, late.json["error"]["code"]) == (409, "invalid_state")
    entries = db.session.query(AuditEntry).filter_by(target_type="delivery").order_by(AuditEntry.id).all()
    assert [entry.action for entry in entries] == [f"delivery.{verb}" for verb, _ in steps]
    assert '"state":"deferred"' in (entries[0].before or "") and '"state":"held"' in (entries[0].after or "")
    assert db.session.get_one(Message, alice.api.get(path).json["data"]["archive_id"]).delivery_state == "cancelled"


def test_nothing_can_be_done_to_a_row_while_a_worker_has_it(app: Any, alice: Any, mailbox: Any) -> None:
    use_transport(app, "smtp://127.0.0.1:1")
    send(alice, mailbox)
    ledger.claim("test/1/x", "boot")
    db.session.commit()
    for verb in ("retry", "hold", "release", "cancel"):
        answer = alice.api.post(f"/deliveries/{deliveries()[0].id}:{verb}")
        assert answer.status_code == 409 and "right now" in answer.json["error"]["message"]


def test_a_bounced_mail_can_be_sent_again_and_a_captured_one_once_there_is_a_way_out(app: Any, alice: Any, mailbox: Any) -> None:
    send(alice, mailbox)
    [row] = deliveries()
    refused = alice.api.post(f"/deliveries/{row.id}:retry")
    assert refused.status_code == 409 and "MAILROOM_TRANSPORT" in refused.json["error"]["hint"]
    with Sink(Script(rcpt_default=b"552 5.2.2 full\r\n")) as sink:
        use_transport(app, sink.url)
        assert alice.api.post(f"/deliveries/{row.id}:retry").json["data"]["state"] == "queued"
        run_drain()
        assert deliveries()[0].state == "bounced"
        sink.script.rcpt_default = b"250 ok\r\n"
        assert alice.api.post(f"/deliveries/{row.id}:retry").status_code == 200
        run_drain()
        assert sink.recipients == ["ada@example.org"]
    assert (deliveries()[0].state, deliveries()[0].attempts, deliveries()[0].bounce) == ("sent", 2, None)


def test_people_of_other_workspaces_see_nothing_and_viewers_change_nothing(alice: Any, carol: Any, eve: Any, mailbox: Any) -> None:
    send(alice, mailbox)
    number = deliveries()[0].id
    assert eve.api.get(f"/deliveries/{number}").status_code == 404 and eve.api.get("/deliveries").json["data"] == []
    assert eve.api.post(f"/deliveries/{number}:hold").status_code == 404
    assert carol.api.get(f"/deliveries/{number}").status_code == 200
    assert carol.api.post(f"/deliveries/{number}:hold").status_code == 403


def test_a_sent_mail_stands_in_the_audit_log_with_its_recipients(alice: Any, mailbox: Any) -> None:
    send(alice, mailbox, bcc=["secret@example.net"])
    [entry] = db.session.query(AuditEntry).filter_by(action="message.send").all()
    assert (entry.target_type, entry.target_name) == ("message", "Hello")
    assert "ada@example.org" in (entry.after or "") and "secret@example.net" in (entry.after or "")
