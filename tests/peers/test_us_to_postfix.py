"""We hand mail to a real Postfix: its replies, its TLS, its bounces; what it takes of ours is one mail with valid signatures."""

import smtplib
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import dkim as independent
import pytest

from tests.factories.mailboxes import PASSWORD, make_mailbox
from tests.factories.sending import deliveries, make_due, make_outgoing
from tests.peers.conftest import Peer, received
from webapp.core.db import begin_writing, db
from webapp.domains.models import DkimKey, Domain
from webapp.mail import dkim
from webapp.mail.bounce import read_bounce
from webapp.sending.models import Outgoing

pytestmark = pytest.mark.postfix
Send = Callable[[str], None]
#: ends of a message in the eyes of somebody (RELIABILITY C-03, C-04)
MARKS = {
    "LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CRLF.LF": b"\r\n.\n", "CR.CRLF": b"\r.\r\n", "CRLF.CR": b"\r\n.\r", "CR.CR": b"\r.\r",
    "CR.LF": b"\r.\n", "CRLF.CRLF": b"\r\n.\r\n", "CRLF.NUL CRLF": b"\r\n.\0\r\n", "CRLF NUL.CRLF": b"\r\n\0.\r\n",
    "CR NUL LF.CRLF": b"\r\0\n.\r\n", "CRCRLF.CRLF": b"\r\r\n.\r\n",
}  # fmt: skip
SMUGGLED = b"MAIL FROM:<evil@acme.test>\r\nRCPT TO:<bert@example.test>\r\nDATA\r\nSubject: two\r\n\r\nsmuggled\r\n.\r\n"


def write(person: Any, mailbox: Any, *receivers: str, **body: Any) -> None:
    answer = person.api.post(
        f"/mailboxes/{mailbox.id}/mail/send", json={"receivers": list(receivers), "subject": "Hello", "body": "It works.", **body}
    )
    assert answer.status_code == 202, answer.json


def states() -> dict[str, tuple[str, str | None, int | None]]:
    return {row.recipient: (row.state, row.bounce, row.last_code) for row in deliveries()}


def test_several_recipients_one_refused_one_told_to_wait(alice: Any, peer: Peer, send_to: Send) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    write(alice, box, "ada@example.test", "bert@example.test", "nobody@example.test", "later@example.test")
    send_to(peer.url())
    found = states()
    assert found["ada@example.test"] == found["bert@example.test"] == ("sent", None, 250)
    assert found["nobody@example.test"] == ("bounced", "hard", 550) and found["later@example.test"] == ("deferred", None, 450)
    assert len(peer.mails("ada@example.test")) == len(peer.mails("bert@example.test")) == 1
    refused = next(row for row in deliveries() if row.recipient == "nobody@example.test")
    assert "5.1.1" in (refused.last_reply or "") and refused.host == f"localhost:{peer.postfix.port}"


def test_starttls_that_is_required_goes_through_with_a_certificate_that_we_trust(
    alice: Any, peer: Peer, send_to: Send, trusting_authority: None
) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    write(alice, box, "ada@example.test")
    send_to(peer.url(port=peer.encrypting, query="?tls=require"))
    assert states() == {"ada@example.test": ("sent", None, 250)}
    (mail,) = peer.mails("ada@example.test")
    assert b"with ESMTPS" in mail


def test_tls_from_the_first_byte(alice: Any, peer: Peer, send_to: Send, trusting_authority: None) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    write(alice, box, "ada@example.test")
    send_to(peer.url(port=peer.wrapped, scheme="smtps"))
    assert states() == {"ada@example.test": ("sent", None, 250)}
    assert b"ESMTPS" in peer.mails("ada@example.test")[0]


def test_a_certificate_that_nobody_vouches_for_stops_the_mail_where_tls_is_required_and_only_there(
    alice: Any, peer: Peer, send_to: Send
) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    write(alice, box, "ada@example.test")
    send_to(peer.url(port=peer.encrypting, query="?tls=require"))
    (row,) = deliveries()
    assert row.state == "deferred" and "certificate" in (row.last_error or "")
    assert peer.postfix.delivered("ada@example.test") == 0
    make_due()
    begin_writing()
    send_to(peer.url(port=peer.encrypting))
    assert states() == {"ada@example.test": ("sent", None, 250)}


def test_a_mail_that_postfix_bounces_later_comes_back_as_a_report_that_we_read(alice: Any, peer: Peer, ours: Any, send_to: Send) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    ours()
    write(alice, box, "ada@gone.test")
    send_to(peer.url())
    message_id = message_id_of(deliveries()[0].outgoing_id)
    (got,) = received(1)
    report = read_bounce(got.raw)
    assert got.envelope_sender == "" and report is not None and report.kind == "bounce"
    (person,) = report.recipients
    assert (person.address, person.original) == ("ada@void.test", "ada@gone.test"), person
    assert (person.status, person.hard, person.permanent) == ("5.1.1", True, True), person
    assert "mailbox gone for good" in person.diagnostic and message_id in report.original_message_id


def test_postfix_tells_that_a_mail_is_late_and_then_that_it_gave_up(alice: Any, peer: Peer, ours: Any, send_to: Send) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    ours()
    write(alice, box, "ada@slow.test")
    send_to(peer.url())
    late, over = (read_bounce(got.raw) for got in received(2)[:2])
    assert late is not None and over is not None
    assert late.kind == "delay" and [(one.original, one.action) for one in late.recipients] == [("ada@slow.test", "delayed")]
    assert over.kind == "temporary-failure" or over.kind == "bounce"
    assert [(one.original, one.action, one.status) for one in over.recipients] == [("ada@slow.test", "failed", "4.2.2")]
    assert not over.recipients[0].hard


def test_c04_what_we_send_never_becomes_two_mails_in_a_postfix_that_can_be_smuggled(alice: Any, peer: Peer, send_to: Send) -> None:
    """This Postfix takes LF dot LF for the end of a message (the tests of our intake show it), so a slip of ours would show here."""
    box = make_mailbox(alice, "hello@acme.test")
    begin_writing()
    for mark in MARKS.values():
        body = b"From: hello@acme.test\r\nTo: ada@example.test\r\nSubject: one\r\n\r\nfirst" + mark + SMUGGLED
        make_outgoing(alice, "ada@example.test", mailbox=box, raw=body)
    send_to(peer.url())
    assert [row.state for row in deliveries()] == ["sent"] * len(MARKS)
    mails = peer.mails("ada@example.test", len(MARKS))
    assert len(mails) == len(MARKS) and all(b"smuggled" in mail and b"RCPT TO:<bert@example.test>" in mail for mail in mails)
    assert peer.postfix.waiting() == 0 and peer.postfix.delivered("bert@example.test") == 0


@pytest.mark.parametrize("trusted", ["trusted", "stranger"])
def test_c04_a_login_that_submits_the_forms_smuggles_nothing_into_postfix(
    alice: Any, peer: Peer, ours: Any, send_to: Send, trusted: str
) -> None:
    make_mailbox(alice, "hello@acme.test")
    server = ours(trusted_networks=(ip_network("127.0.0.0/8"),)) if trusted == "trusted" else ours()
    forms = [mark for mark in MARKS.values() if b"\r\n.\r\n" not in mark]  # which is the true end of a message
    taken = 0
    for mark in forms:
        with server.connect("submission") as client:
            client.ehlo("program.test")
            client.login("hello@acme.test", PASSWORD)
            client.mail("hello@acme.test")
            client.rcpt("ada@example.test")
            client.docmd("DATA")
            client.send(b"From: hello@acme.test\r\nSubject: one\r\n\r\nfirst" + mark + SMUGGLED)
            taken += client.getreply()[0] == 250
            assert client.noop()[0] == 250
    send_to(peer.url())
    assert taken == (len(forms) if trusted == "trusted" else taken) and len(deliveries()) == taken
    assert taken == 0 or len(peer.mails("ada@example.test", taken)) == taken
    assert peer.postfix.delivered("bert@example.test") == 0 and peer.postfix.waiting() == 0


def message_id_of(number: int) -> str:
    found = db.session.get_one(Outgoing, number).message_id_header
    db.session.commit()
    return found


def both_keys(domain_name: str) -> dict[bytes, bytes]:
    """An Ed25519 key beside the RSA key of the domain; returns what the DNS would answer."""
    domain = db.session.query(Domain).filter_by(name=domain_name).one()
    private, public = dkim.new_key("ed25519")
    domain.keys.append(
        DkimKey(
            workspace_id=domain.workspace_id, selector="second", algorithm="ed25519", private=private, public=public, state="active",
            activated_by="hand",
        )
    )  # fmt: skip
    db.session.commit()
    return {
        f"{key.selector}._domainkey.{domain_name}.".encode(): dkim.dns_value(key.public, key.algorithm).encode() for key in domain.keys
    }  # fmt: skip


def check_signatures(mail: bytes, zone: dict[bytes, bytes]) -> None:
    """Both signatures, by another implementation, on the mail as Postfix wrote it into a maildir."""
    wire = mail.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert wire.count(b"a=rsa-sha256") == wire.count(b"a=ed25519-sha256") == 1
    checked = independent.DKIM(wire)
    for number in range(2):
        assert checked.verify(number, dnsfunc=lambda name, timeout=5: zone.get(name, b"")), number


@pytest.mark.parametrize(
    "body",
    [
        {"body": "It works.\n.\n.dot\n\n\n"}, {"body": "Grüße\t \nMit Leerzeichen am Ende  \n", "subject": "Ümläute " * 20},
        {"body": "a", "html": "<p>b</p>", "headers": {"X-Order": "17", "List-Id": "<l.acme.test>"}, "cc": ["Bert Ü <bert@example.test>"]},
        {"body": "x" * 5000 + "\n" + "y" * 998},
    ],
)  # fmt: skip
def test_signatures_of_a_mail_by_the_api_hold_behind_postfix(alice: Any, peer: Peer, send_to: Send, body: dict[str, Any]) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    zone = both_keys("acme.test")
    write(alice, box, "ada@example.test", **body)
    send_to(peer.url())
    check_signatures(peer.mails("ada@example.test")[0], zone)


def test_signatures_of_a_mail_by_smtp_submission_hold_behind_postfix(alice: Any, peer: Peer, ours: Any, send_to: Send) -> None:
    make_mailbox(alice, "hello@acme.test")
    zone = both_keys("acme.test")
    server = ours()
    mails = [
        b"From: Hello <hello@acme.test>\r\nTo: ada@example.test\r\nSubject: folded\r\n  over\r\n\t lines\r\n\r\n..d \t \r\n.\r\n\r\n\r\n",
        b"From: hello@acme.test\r\nSubject: no date\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xc3\xa4\xc3\xb6\r\n",
    ]
    for raw in mails:
        with server.connect("submission") as client:
            client.login("hello@acme.test", PASSWORD)
            assert client.sendmail("hello@acme.test", ["ada@example.test"], raw, mail_options=["BODY=8BITMIME"]) == {}
    send_to(peer.url())
    for mail in peer.mails("ada@example.test", 2):
        check_signatures(mail, zone)


def test_a_relay_that_refuses_our_sender_is_heard(alice: Any, peer: Peer, send_to: Send) -> None:
    """Postfix's own policy on the sender: a permanent refusal at RCPT, kept word for word."""
    box = make_mailbox(alice, "blocked@acme.test")
    write(alice, box, "ada@example.test")
    send_to(peer.url())
    (row,) = (row for row in deliveries() if row.recipient == "ada@example.test")
    assert row.state == "bounced" and row.last_code == 554 and "5.7.1" in (row.last_reply or "")
    with smtplib.SMTP("127.0.0.1", peer.postfix.port, timeout=20) as client:
        assert client.noop()[0] == 250
