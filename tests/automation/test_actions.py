"""What each action type sends, changes and writes (DESIGN "Webhook action", reference/mailtrigger.md sections 5 and 6.5)."""

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.factories.automation import arrive, attempts_of, make_action, make_due, make_route, runs_of, steps_of
from tests.factories.mailboxes import make_mailbox
from webapp.automation import data_rows, loops
from webapp.automation.models_runs import AutoReply
from webapp.automation.waits import WAITS_S, wait_s
from webapp.core.db import db
from webapp.core.http_guard import HttpAnswer
from webapp.core.outside import Outside
from webapp.mail import mime
from webapp.messages import store
from webapp.sending.models import Delivery, Outgoing


@pytest.fixture
def box(alice: Any) -> Any:
    return make_mailbox(alice, "books@acme.test")


@pytest.fixture
def run_one(alice: Any, box: Any, outside: Outside, work_off: Any) -> Any:
    """Run actions on one mail; answers the run."""

    def run(*made: Any, **parts: Any) -> Any:
        make_route(alice, box, name="Orders", actions=made)
        message = arrive(box, **parts)
        work_off()
        (found,) = runs_of(message)
        return found

    return run


def sent_mails() -> list[tuple[Outgoing, mime.ParsedMail, bytes]]:
    rows = db.session.query(Outgoing).order_by(Outgoing.id).all()
    return [(row, mime.parse(store.load_raw(row.raw_id)), store.load_raw(row.raw_id)) for row in rows]


def test_the_webhook_sends_the_documented_json_and_headers(alice: Any, box: Any, outside: Outside, run_one: Any) -> None:
    run = run_one(make_action(alice), subject="Order 7", text="Two frames.", html="<p>Two frames.</p>", files={"order.xml": b"<a/>"})
    (sent,) = outside.http.sent
    body = json.loads(sent.body)
    assert list(body) == [
        "event", "id", "message_id", "mailbox", "route", "sender", "receivers", "cc", "subject", "date", "text", "html", "headers",
        "attachments", "is_test",
    ]  # fmt: skip
    assert (body["event"], body["id"], body["message_id"]) == ("mail.received", run.id, run.message_id)
    assert body["mailbox"] == {"id": box.id, "email": "books@acme.test"} and body["route"] == {"id": run.route_id, "name": "Orders"}
    assert body["sender"] == "ines@elsewhere.test" and body["receivers"] == ["books@acme.test"] and body["is_test"] is False
    assert ["Subject", "Order 7"] in body["headers"] and body["date"].endswith("Z") and body["text"].strip() == "Two frames."
    (file,) = body["attachments"]
    assert (file["filename"], file["content_type"], file["size"]) == ("order.xml", "application/octet-stream", 4)
    assert (sent.method, sent.timeout_s, sent.verify_tls) == ("POST", 15.0, True)
    assert sent.headers["user-agent"] == "Mailroom/0.1.0" and sent.headers["content-type"] == "application/json"
    assert sent.headers["x-mailroom-delivery"] == steps_of(run)[0].delivery and sent.headers["x-mailroom-attempt"] == "1"
    assert "x-mailroom-signature" not in sent.headers


def test_the_link_to_an_attachment_opens_for_a_day_and_not_when_forged(app: Any, alice: Any, outside: Outside, run_one: Any) -> None:
    run_one(make_action(alice), files={"order.html": b"<script>1</script>"})
    url = json.loads(outside.http.sent[0].body)["attachments"][0]["url"]
    client = app.test_client()
    answer = client.get(urlsplit(url).path)
    assert answer.status_code == 200 and answer.data == b"<script>1</script>"
    assert answer.headers["Content-Disposition"].startswith("attachment") and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get(urlsplit(url).path[:-2] + "xx").status_code == 404


def test_hmac_signs_time_and_body(alice: Any, outside: Outside, run_one: Any) -> None:
    run_one(make_action(alice, auth={"type": "hmac", "secret": "s3cret-value"}))
    (sent,) = outside.http.sent
    moment, digest = (part.partition("=")[2] for part in sent.headers["x-mailroom-signature"].split(","))
    assert digest == hmac.new(b"s3cret-value", f"{moment}.".encode() + sent.body, hashlib.sha256).hexdigest()


def test_basic_and_bearer_authentication_and_own_headers(alice: Any, outside: Outside, run_one: Any) -> None:
    run_one(
        make_action(alice, auth={"type": "basic", "username": "me", "password": "pw-12345"}, headers={"X-From": "$SENDER"}),
        make_action(alice, auth={"type": "bearer", "token": "tok-12345"}),
    )
    first, second = outside.http.sent
    assert first.headers["authorization"] == f"Basic {base64.b64encode(b'me:pw-12345').decode()}"
    assert first.headers["x-from"] == "ines@elsewhere.test" and second.headers["authorization"] == "Bearer tok-12345"


def test_secrets_do_not_reach_the_log(alice: Any, outside: Outside, run_one: Any) -> None:
    outside.http.script = [HttpAnswer(status=400, body=b"bad token tok-12345")]
    run = run_one(make_action(alice, auth={"type": "bearer", "token": "tok-12345"}, headers={"X-Api-Key": "key-98765"}))
    (attempt,) = attempts_of(run)
    kept = json.dumps([attempt.request, attempt.answer, attempt.error, steps_of(run)[0].settings])
    assert "tok-12345" not in kept and "key-98765" not in kept and "bad token" in kept


def test_payloads_in_the_log_are_cut_to_64_kb(alice: Any, outside: Outside, run_one: Any) -> None:
    run = run_one(make_action(alice), text="x" * 200_000)
    (attempt,) = attempts_of(run)
    assert 65_000 < len(attempt.request["body"]) < 66_000 and len(outside.http.sent[0].body) > 200_000


def test_the_other_body_formats(alice: Any, outside: Outside, run_one: Any) -> None:
    run = run_one(
        make_action(alice, body_format="form"),
        make_action(alice, body_format="form", body="subject=$SUBJECT&fixed=1"),
        make_action(alice, body_format="eml"),
        make_action(alice, body_format="raw", body="New: $SUBJECT"),
        make_action(alice, body={"s": "$SUBJECT", "n": [1, "$SENDER"]}),
        make_action(alice, method="GET", url="https://hooks.example.com/?q=$SUBJECT"),
        subject='A & "B"',
    )
    flat, own, eml, raw, json_body, get = outside.http.sent
    fields = parse_qs(flat.body.decode())
    assert (
        fields["mailbox[email]"] == ["books@acme.test"] and fields["receivers[0]"] == ["books@acme.test"] and "headers[0][0]" not in fields
    )
    assert parse_qs(own.body.decode()) == {"subject": ['A & "B"'], "fixed": ["1"]}
    assert eml.headers["content-type"] == "message/rfc822" and eml.body == store.load_raw(
        db.session.get_one(store.Message, run.message_id).raw_id
    )
    assert raw.body == b'New: A & "B"' and raw.headers["content-type"].startswith("text/plain")
    assert json.loads(json_body.body) == {"s": 'A & "B"', "n": [1, "ines@elsewhere.test"]}
    assert get.url == "https://hooks.example.com/?q=A%20%26%20%22B%22" and get.body == b"" and get.method == "GET"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (HttpAnswer(status=204), "success"), (HttpAnswer(status=302, headers=[("location", "https://x.test/")]), "failed"),
        (HttpAnswer(status=404), "failed"), (HttpAnswer(status=408), "retry"), (HttpAnswer(status=425), "retry"),
        (HttpAnswer(status=429), "retry"), (HttpAnswer(status=500), "retry"), (HttpAnswer(error="No.", error_kind="connect"), "retry"),
        (HttpAnswer(error="No.", error_kind="dns"), "retry"), (HttpAnswer(error="No.", error_kind="refused"), "failed"),
        (HttpAnswer(status=200, error="Cut.", error_kind="timeout"), "retry"),
    ],
)  # fmt: skip
def test_the_class_of_an_answer_decides_what_follows(alice: Any, outside: Outside, run_one: Any, answer: HttpAnswer, outcome: str) -> None:
    outside.http.script = [answer]
    assert [attempt.outcome for attempt in attempts_of(run_one(make_action(alice)))] == [outcome]


def test_an_answer_becomes_an_attachment_for_the_actions_behind_it(alice: Any, outside: Outside, run_one: Any) -> None:
    outside.http.script = [HttpAnswer(status=200, headers=[("content-type", "application/json")], body=b'{"owner": "ines"}')]
    run = run_one(
        make_action(alice, attach_to_mail=True), make_action(alice, body={"all": "$ATTACHMENT", "last": "$ATTACHMENT_LAST1"}),
        files={"a.txt": b"first"},
    )  # fmt: skip
    assert json.loads(outside.http.sent[1].body)["last"] == '{"owner": "ines"}'
    assert len(json.loads(outside.http.sent[1].body)["all"]) == 2 and steps_of(run)[0].changed == ["attachments"]


def test_an_answer_that_is_too_large_is_not_attached_in_part(alice: Any, outside: Outside, run_one: Any) -> None:
    outside.http.script = [HttpAnswer(status=200, body=b"x" * 70_000)]
    run = run_one(make_action(alice, attach_to_mail=True))
    assert run.status == "failed" and "64 KB" in (run.error or "")


def test_forward_goes_from_the_mailbox_with_a_trace_and_answers_to_the_sender(alice: Any, run_one: Any) -> None:
    run = run_one(
        make_action(alice, "forward", to=["kontor@revisor.example"], subject_prefix="[Order]"), sender="Ines Ö <ines@elsewhere.test>",
        subject="Größe", headers={"DKIM-Signature": "v=1; old"}, files={"a.pdf": b"%PDF"},
    )  # fmt: skip
    ((row, mail, raw),) = sent_mails()
    assert (row.envelope_sender, row.kind, row.source_type, row.source_id) == ("books@acme.test", "forward", "run", run.id)
    assert (
        mail.sender == "books@acme.test" and mail.sender_name == "Ines Ö via books" and mail.reply_to == [("Ines Ö", "ines@elsewhere.test")]
    )
    assert mail.subject == "[Order] Größe" and len(mail.header_all(loops.TRACE)) == 1 and b"v=1; old" not in raw
    assert [item.filename for item in mail.attachments] == ["a.pdf"] and mail.header("X-Forwarded-Message-Id")
    assert [d.recipient for d in db.session.query(Delivery)] == ["kontor@revisor.example"]


def test_forward_as_attachment_carries_the_original_whole(alice: Any, run_one: Any) -> None:
    run = run_one(make_action(alice, "forward", to=["a@b.example"], as_attachment=True, keep_sender=False), subject="Inside")
    ((_, mail, raw),) = sent_mails()
    original = store.load_raw(db.session.get_one(store.Message, run.message_id).raw_id)
    assert mail.reply_to == [] and b"Content-Type: message/rfc822" in raw and original.rstrip() in raw


def test_a_mail_that_goes_in_circles_is_not_forwarded(alice: Any, box: Any, outside: Outside, run_one: Any) -> None:
    raw = (
        b"".join(b"X-Mailroom-Trace: run %d; a@b.test; h\r\n" % n for n in range(11))
        + b"From: a@b.test\r\nTo: books@acme.test\r\nSubject: x\r\n\r\nx\r\n"
    )
    run = run_one(make_action(alice, "forward", to=["a@b.example"]), make_action(alice, "send_mail", body="x"), raw=raw)
    assert [step.status for step in steps_of(run)] == ["failed", "failed"] and "circles" in (run.error or "") and sent_mails() == []


def test_forwarding_to_itself_is_refused(alice: Any, run_one: Any) -> None:
    assert run_one(make_action(alice, "forward", to=["$RECEIVER"])).status == "failed"
    assert sent_mails() == []


def test_an_automatic_answer_follows_rfc_3834(alice: Any, run_one: Any) -> None:
    run_one(make_action(alice, "send_mail", body="Hello $SENDER", html="<b>$SUBJECT</b>", attach_original=True), subject="A <b>")
    ((row, mail, _),) = sent_mails()
    assert (row.envelope_sender, row.kind, row.from_address) == ("", "auto_reply", "books@acme.test")
    assert mail.header("Auto-Submitted") == "auto-replied" and mail.in_reply_to and mail.subject == "Re: A <b>"
    assert "Hello ines@elsewhere.test" in mail.text and "A &lt;b&gt;" in (mail.html or "")
    assert [address for _, address in mail.to] == ["ines@elsewhere.test"] and loops.TRACE in [name for name, _ in mail.headers]


@pytest.mark.parametrize(
    "parts",
    [
        {"columns": {"envelope_sender": ""}}, {"headers": {"Auto-Submitted": "auto-generated"}}, {"headers": {"List-Id": "<l.x.test>"}},
        {"headers": {"Precedence": "bulk"}},
    ],
)  # fmt: skip
def test_c17_no_automatic_answer_to_reports_automatic_mail_lists_and_bulk(alice: Any, run_one: Any, parts: dict[str, Any]) -> None:
    run = run_one(make_action(alice, "send_mail", body="x"), **parts)
    assert run.status == "success" and [step.status for step in steps_of(run)] == ["skipped"] and sent_mails() == []


def test_c17_one_answer_for_a_sender_within_the_hours_of_the_action(alice: Any, box: Any, outside: Outside, work_off: Any) -> None:
    make_route(alice, box, actions=[make_action(alice, "send_mail", body="x", pause_hours=1)])
    for sender in ("a@x.test", "A@x.test", "b@x.test"):
        arrive(box, sender=sender)
    work_off()
    assert [row.kind for row, _, _ in sent_mails()] == ["auto_reply"] * 2
    outside.clock.pass_time(3601)
    arrive(box, sender="a@x.test")
    work_off()
    assert len(sent_mails()) == 3


def test_c17_a_responder_with_changing_addresses_ends_within_the_hourly_budget(
    alice: Any, box: Any, outside: Outside, work_off: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.automation.reply_limits.MOST_PER_HOUR", 3)
    make_route(alice, box, actions=[make_action(alice, "send_mail", body="x")])
    for number in range(5):
        arrive(box, sender=f"responder+{number}@x.test")
    work_off()
    assert len(sent_mails()) == 3 and db.session.query(AutoReply).count() == 3
    said = [attempts_of(run)[0].detail for run in runs_of()]  # which of them came first is not said
    assert ["look like a loop" in detail for detail in said].count(True) == 2 and len(said) == 5


def test_a_notice_to_somebody_else_goes_every_time_with_the_mailbox_as_envelope_sender(
    alice: Any, box: Any, outside: Outside, work_off: Any
) -> None:
    make_route(alice, box, actions=[make_action(alice, "send_mail", to=["chef@acme.example"], subject="New: $SUBJECT", body="x")])
    for _ in range(2):
        arrive(box, headers={"List-Id": "<l.x.test>"})
    work_off()
    assert [(row.envelope_sender, mail.subject) for row, mail, _ in sent_mails()] == [("books@acme.test", "New: Hello")] * 2


def test_set_data_writes_keys_that_later_actions_read(alice: Any, box: Any, outside: Outside, run_one: Any) -> None:
    run = run_one(
        make_action(alice, "set_data", emails=["books@acme.test"], data={"last": "$SUBJECT", "count": "1"}),
        make_action(alice, "set_data", emails=["Books@acme.test"], data={"count": "2"}),
        make_action(alice, body={"last": "$DATA[last]", "count": "$DATA[count]"}),
    )
    assert json.loads(outside.http.sent[0].body) == {"last": "Hello", "count": "2"} and run.status == "success"
    assert data_rows.lookup(box.id, "BOOKS@acme.test") == {"last": "Hello", "count": "2"}


def test_an_address_that_is_none_once_variables_are_replaced_fails_for_good(alice: Any, run_one: Any) -> None:
    run = run_one(
        make_action(alice, "forward", to=["$HEADER[X-None]"]), make_action(alice, "set_data", emails=["$SUBJECT"], data={"a": "b"})
    )
    assert [step.status for step in steps_of(run)] == ["failed", "failed"] and [step.attempts for step in steps_of(run)] == [1, 1]


def test_a_warning_about_a_missing_attachment_stands_in_the_log(alice: Any, outside: Outside, run_one: Any) -> None:
    run = run_one(make_action(alice, body={"a": "$ATTACHMENT3"}))
    assert "$ATTACHMENT3 is empty" in attempts_of(run)[0].detail


def test_the_waits_follow_the_schedule_and_never_get_shorter() -> None:
    assert WAITS_S == (10, 60, 300, 1800, 7200, 21600, 57600)
    for attempts, base in enumerate((*WAITS_S, WAITS_S[-1]), 1):
        assert all(base <= wait_s(attempts) <= base * 1.1 for _ in range(50))


def test_make_due_is_no_cheat(alice: Any, outside: Outside, run_one: Any, work_off: Any) -> None:
    outside.http.script = [500]
    run = run_one(make_action(alice))
    work_off()
    assert len(outside.http.sent) == 1
    make_due()
    work_off()
    assert len(outside.http.sent) == 2 and runs_of()[0].id == run.id
