"""C-68: no line end of any kind gets into a header through any door, and what leaves is clean on the wire, below every library."""

import base64
import smtplib
from typing import Any

import pytest

from tests.bulk.visit import unclean
from tests.factories.automation import arrive, make_route
from tests.factories.mailboxes import PASSWORD, make_mailbox
from tests.factories.sending import Sink, deliveries, run_drain, use_transport
from tests.intake.conftest import smtp  # noqa: F401  # a fixture
from webapp.core.db import db
from webapp.messages.models import Message
from webapp.messages.store import parsed_of, raw_of

ENDS = {
    "CRLF": "\r\n", "LF": "\n", "CR": "\r", "NUL": "\x00", "VT": "\x0b", "FF": "\x0c", "NEL": "\x85", "LS": "\u2028", "PS": "\u2029",
    "folded": "\r\n ", "RS": "\x1e",
}  # fmt: skip
EVIL = "Bcc: evil@x.test"


def word(text: str) -> str:
    return "=?utf-8?b?" + base64.b64encode(text.encode()).decode() + "?="


#: what encoded words can hide, in every header that an action reads
HIDDEN = "\r\n".join([
    f"From: {word('Boss' + chr(13) + chr(10) + EVIL)} <boss@elsewhere.test>", "To: inbox@example.com",
    f"Reply-To: {word('x' + chr(10) + EVIL)} <reply@elsewhere.test>",
    f"Subject: {word('a' + chr(13) + chr(10) + EVIL + chr(0) + chr(0x2028) + 'b')}",
    f"Message-ID: {word('<1@x.test>' + chr(13) + chr(10) + EVIL)}", f"References: {word('<0@x.test>' + chr(10) + EVIL)}",
    f"X-A: {word('v' + chr(13) + chr(10) + EVIL)}", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=q", "",
    "--q", "Content-Type: text/plain", "", "hi", "--q",
    f'Content-Type: {"text/csv"}; name="{word("n" + chr(13) + chr(10) + EVIL)}"', "Content-Disposition: attachment", "", "x", "--q--", "",
]).encode()  # fmt: skip


@pytest.fixture
def box(alice: Any) -> Any:
    return make_mailbox(alice, "inbox@example.com")


def nothing_was_kept() -> bool:
    db.session.rollback()
    return deliveries() == [] and db.session.query(Message).count() == 0


def on_the_wire(sink: Sink, *recipients: str) -> list[str]:
    """What is wrong with what the next server got."""
    run_drain()
    found = [what for mail in sink.taken for what in unclean(mail.raw)]
    found += [f"{mail.wire.count(b'evil@x.test')} traces in a header" for mail in sink.taken if _as_header(mail.raw)]
    got = sorted({one for mail in sink.taken for one in mail.recipients})
    return found if got == sorted(recipients) else [*found, f"it went to {got}"]


def _as_header(raw: bytes) -> bool:
    head = raw.partition(b"\r\n\r\n")[0].lower()
    return any(line.startswith((b"bcc", b"evil")) for line in head.split(b"\r\n"))


@pytest.mark.parametrize("end", ENDS)
def test_c68_the_api_refuses_every_line_end_in_every_field(alice: Any, box: Any, end: str) -> None:
    bad = f"ann@b.test{ENDS[end]}{EVIL}"
    file = {"filename": "a.txt", "content": "", "content_type": "text/plain"}
    bodies: list[dict[str, Any]] = [
        {"subject": bad}, {"receivers": [bad]}, {"cc": [bad]}, {"bcc": [bad]}, {"reply_to": bad}, {"headers": {"X-A": bad}},
        {"headers": {f"X-A{ENDS[end]}{EVIL}": "b"}}, {"attachments": [{**file, "filename": bad}]},
        {"attachments": [{**file, "content_type": bad}]}, {"attachments": [{**file, "content_id": bad}]},
    ]  # fmt: skip
    for body in bodies:
        answer = alice.api.post(f"/mailboxes/{box.id}/mail/send", json={"receivers": ["ok@b.test"], "body": "hi", **body})
        assert answer.status_code == 422 and answer.json["error"]["details"], (body, answer.json)
    assert nothing_was_kept()


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("field", ["subject", "receivers", "cc"])
def test_c68_the_compose_page_refuses_every_line_end(alice: Any, box: Any, field: str, end: str) -> None:
    form = {"mailbox_id": box.id, "receivers": "ok@b.test", "cc": "", "subject": "hi", "body": "hi"}
    answer = alice.page.post("/mail/new", {**form, field: f"ann@b.test{ENDS[end]}{EVIL}"})
    if answer.status_code == 303 and end in ("CRLF", "LF", "CR", "folded") and field != "subject":
        # Addresses on lines of their own are a list that people paste; then nobody gets the mail who does not stand in it.
        [mail] = db.session.query(Message)
        seen = {address for _, address in [*parsed_of(mail).to, *parsed_of(mail).cc]}
        assert {row.recipient for row in deliveries()} == seen and unclean(raw_of(mail)) == []
    else:
        assert answer.status_code in (400, 422) and nothing_was_kept()


@pytest.mark.parametrize("end", ENDS)
def test_c68_names_that_will_stand_in_headers_are_refused_or_one_line(app: Any, alice: Any, box: Any, end: str) -> None:
    """A mailbox's display name, a workspace's, an invitation."""
    bad = f"Ann{ENDS[end]}{EVIL}"
    answer = alice.api.patch(f"/mailboxes/{box.id}", json={"display_name": bad})
    assert answer.status_code in (200, 422)
    renamed = alice.api.patch(f"/workspaces/{alice.workspace.id}", json={"name": bad})
    assert renamed.status_code in (200, 422)
    with Sink() as sink:
        use_transport(app, sink.url)
        sent = alice.api.post(f"/mailboxes/{box.id}/mail/send", json={"receivers": ["ok@b.test"], "body": "hi"})
        assert sent.status_code == 202, sent.json
        assert on_the_wire(sink, "ok@b.test") == []
        sink.taken.clear()
        invited = alice.api.post(f"/workspaces/{alice.workspace.id}/invitations", json={"email": "new@b.test", "role": "viewer"})
        assert invited.status_code < 500, invited.json
        run_drain()
        assert [what for mail in sink.taken for what in unclean(mail.raw) if "its From" not in what] == []
        assert not any(_as_header(mail.raw) for mail in sink.taken)


ACTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "forward": ("forward", {"to": ["to@b.test"], "subject_prefix": "$HEADER[X-A]"}),
    "forward attached": ("forward", {"to": ["to@b.test"], "as_attachment": True, "subject_prefix": "$ATTACHMENT_NAME1"}),
    "answer": ("send_mail", {"to": ["to@b.test"], "subject": "$SUBJECT $HEADER[X-A]", "body": "$BODY $SENDER", "attach_original": True}),
    "answer by default": ("send_mail", {"to": ["to@b.test"], "body": "thanks"}),
}


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("changed", [False, True])
def test_c68_what_encoded_words_hide_leaves_no_header(app: Any, alice: Any, box: Any, work_off: Any, name: str, changed: bool) -> None:
    kind, parameters = ACTIONS[name]
    steps = [{"type": kind, "parameters": parameters}]
    if changed:
        headers = {"X-B": "$HEADER[X-A]", "X-C": "$MESSAGE_ID $REPLY_TO"}
        before = {"subject": "$SUBJECT", "subject_prefix": "$HEADER[X-A]", "headers": headers}
        steps.insert(0, {"type": "change_mail", "parameters": before})
    made = [alice.api.post("/actions", json={"name": f"{name} {number}", **step}).json["data"] for number, step in enumerate(steps)]
    make_route(alice, box, actions=[{"action_id": one["id"]} for one in made])
    with Sink() as sink:
        use_transport(app, sink.url)
        arrive(box, raw=HIDDEN)
        work_off()
        assert on_the_wire(sink, "to@b.test") == []
        assert len(sink.taken) == 1


@pytest.mark.parametrize("field", ["subject", "subject_prefix", "headers", "to"])
@pytest.mark.parametrize("end", ["CRLF", "LF", "LS", "NUL"])
def test_c68_parameters_of_actions_are_refused_or_one_line(app: Any, alice: Any, box: Any, work_off: Any, field: str, end: str) -> None:
    bad = f"to@b.test{ENDS[end]}{EVIL}"
    kind = "change_mail" if field in ("headers", "subject_prefix") else "send_mail"
    values = {
        "subject": {"to": ["to@b.test"], "subject": bad, "body": "x"}, "to": {"to": [bad], "body": "x"},
        "headers": {"headers": {"X-A": bad}}, "subject_prefix": {"subject_prefix": bad},
    }[field]  # fmt: skip
    made = alice.api.post("/actions", json={"name": "one", "type": kind, "parameters": values})
    if made.status_code == 422:
        return
    assert made.status_code == 201, made.json
    second = alice.api.post("/actions", json={"name": "two", "type": "forward", "parameters": {"to": ["to@b.test"]}}).json["data"]["id"]
    make_route(alice, box, actions=[{"action_id": made.json["data"]["id"]}, {"action_id": second}])
    with Sink() as sink:
        use_transport(app, sink.url)
        arrive(box, sender="x@elsewhere.test")
        work_off()
        assert on_the_wire(sink, "to@b.test") == []


def test_c68_a_blind_copy_in_a_submitted_mail_does_not_leave(app: Any, alice: Any, box: Any, smtp: Any, work_off: Any) -> None:  # noqa: F811
    subject = word("a\n" + EVIL)
    raw = f"From: inbox@example.com\r\nTo: ok@b.test\r\nBcc: secret@b.test\r\nBCC : second@b.test\r\nSubject: {subject}\r\n\r\nhi\r\n"
    with Sink() as sink:
        use_transport(app, sink.url)
        with smtp().connect("submission") as client:
            client.login(box.email, PASSWORD)
            assert client.sendmail(box.email, ["ok@b.test"], raw.encode()) == {}
        work_off()
        assert on_the_wire(sink, "ok@b.test") == []
        assert all(b"secret@" not in mail.wire and b"second@" not in mail.wire for mail in sink.taken)


@pytest.mark.parametrize("command", ["MAIL FROM:<a@b.test>{}RCPT TO:<evil@x.test>", "RCPT TO:<inbox@example.com{}evil@x.test>"])
@pytest.mark.parametrize("end", ["NUL", "VT", "NEL", "LS", "CR"])
def test_c68_envelope_addresses_hold_no_line_end(alice: Any, box: Any, smtp: Any, command: str, end: str) -> None:  # noqa: F811
    with smtp().connect() as client:
        client.ehlo("x.test")
        if command.startswith("RCPT"):
            client.mail("a@b.test")
        client.send((command.format(ENDS[end]) + "\r\n").encode())
        assert 500 <= client.getreply()[0] < 600
    assert isinstance(client, smtplib.SMTP) and nothing_was_kept()
