"""A real Postfix hands mail to our port: what it asks for, what it understands of our answers, and what arrives."""

import smtplib
import socket
from email.message import EmailMessage
from typing import Any

import pytest

from tests.factories.mailboxes import make_mailbox
from tests.factories.messages import make_raw
from tests.peers.conftest import Peer, received
from tests.servers import wait_until
from webapp.core.db import db

pytestmark = pytest.mark.postfix
SENDER = "ada@example.test"


def through_postfix(peer: Peer, raw: bytes, *recipients: str, options: tuple[str, ...] = (), sender: str = SENDER) -> None:
    """A program hands Postfix a mail for our mailboxes."""
    with smtplib.SMTP("127.0.0.1", peer.postfix.port, timeout=20) as client:
        client.ehlo("program.test")
        assert client.sendmail(sender, list(recipients), raw, mail_options=options) == {}


def test_a_mail_and_its_neighbours_arrive_byte_for_byte(alice: Any, peer: Peer, ours: Any) -> None:
    make_mailbox(alice, "hello@acme.test")
    make_mailbox(alice, "second@acme.test")
    ours()
    raw = make_raw(sender=SENDER, text=".\n..dots\n.end\nGrüße\n" + "x" * 900)
    through_postfix(peer, raw, "hello@acme.test", "second@acme.test", options=("BODY=8BITMIME",))
    first, second = received(2)
    assert {first.recipient, second.recipient} == {"hello@acme.test", "second@acme.test"}
    assert first.raw.endswith(raw) and second.raw == first.raw and first.envelope_sender == SENDER
    assert first.raw.count(b"Received: ") == 2
    assert "status=sent (250 2.0.0" in peer.postfix.words()


def test_a_second_mail_goes_over_a_session_of_its_own_and_both_are_counted_once(alice: Any, peer: Peer, ours: Any) -> None:
    make_mailbox(alice, "hello@acme.test")
    ours()
    for number in range(5):
        through_postfix(peer, make_raw(sender=SENDER, subject=f"mail {number}"), "hello@acme.test")
    mails = received(5)
    wait_until(lambda: peer.postfix.waiting() == 0, "an empty queue", 30)
    assert len(received(5)) == len(mails) == 5


def test_a_large_mail_with_eight_bit_content_arrives_whole(alice: Any, peer: Peer, ours: Any) -> None:
    make_mailbox(alice, "hello@acme.test", max_message_bytes=20_000_000)
    ours()
    line = ("größer " * 10).encode() + b"\r\n"
    raw = b"From: ada@example.test\r\nSubject: large\r\nContent-Type: text/plain; charset=utf-8\r\n"
    raw += b"Content-Transfer-Encoding: 8bit\r\nMIME-Version: 1.0\r\n\r\n" + line * (8_000_000 // len(line))
    through_postfix(peer, raw, "hello@acme.test", options=("BODY=8BITMIME",))
    (message,) = received(1)
    assert message.raw.partition(b"\r\n\r\n")[2] == raw.partition(b"\r\n\r\n")[2]


def test_a_mailbox_that_takes_less_refuses_at_mail_or_rcpt_and_postfix_bounces(alice: Any, peer: Peer, ours: Any) -> None:
    make_mailbox(alice, "small@acme.test", max_message_bytes=50_000)
    ours()
    through_postfix(peer, make_raw(sender=SENDER, text="y" * 70 + "\n" + ("z" * 70 + "\n") * 2000), "small@acme.test")
    (bounce,) = peer.mails(SENDER)
    assert b"552" in bounce and b"small@acme.test" in bounce and b"message/delivery-status" in bounce


def test_an_address_that_nobody_has_is_refused_in_the_session_and_its_neighbour_gets_the_mail(alice: Any, peer: Peer, ours: Any) -> None:
    make_mailbox(alice, "hello@acme.test")
    ours()
    through_postfix(peer, make_raw(sender=SENDER), "hello@acme.test", "nobody@acme.test")
    (message,) = received(1)
    assert message.recipient == "hello@acme.test"
    (bounce,) = peer.mails(SENDER)
    assert b"nobody@acme.test" in bounce and b"550 5.1.1" in bounce and b"hello@acme.test" not in bounce.split(b"Content-Type: message/")[1]


def test_a_paused_mailbox_makes_postfix_wait_and_the_mail_comes_after_it_is_resumed(alice: Any, peer: Peer, ours: Any) -> None:
    box = make_mailbox(alice, "hello@acme.test", status="paused")
    ours()
    through_postfix(peer, make_raw(sender=SENDER), "hello@acme.test")
    wait_until(lambda: "status=deferred" in peer.postfix.words() and "450 4.2.1" in peer.postfix.words(), "a deferral", 30)
    box.status = "active"
    db.session.commit()
    (message,) = received(1)
    assert (message.recipient, message.envelope_sender) == ("hello@acme.test", SENDER)


def test_letters_beyond_ascii_in_the_address_arrive_by_smtputf8(alice: Any, peer: Peer, ours: Any) -> None:
    make_mailbox(alice, "jörg@acme.test")
    ours()
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "ädä@example.test", "jörg@acme.test", "Grüße"
    mail.set_content("Schön.")
    with smtplib.SMTP("127.0.0.1", peer.postfix.port, timeout=20) as client:
        client.send_message(mail, "ädä@example.test", ["jörg@acme.test"])
    (message,) = received(1)
    assert (message.recipient, message.envelope_sender) == ("jörg@acme.test", "ädä@example.test")
    assert b"with UTF8SMTP" in message.raw[:400]


def test_starttls_with_a_certificate_that_postfix_checks(alice: Any, peer: Peer, ours: Any, certified: Any) -> None:
    make_mailbox(alice, "hello@secure.test")
    ours(**certified)
    through_postfix(peer, make_raw(sender=SENDER, to="hello@secure.test"), "hello@secure.test")
    (message,) = received(1)
    assert b"with ESMTPS" in message.raw[:400]
    assert "Verified TLS connection established to 127.0.0.1" in peer.postfix.words()


def test_without_a_certificate_a_strict_postfix_keeps_the_mail_and_says_why(alice: Any, peer: Peer, ours: Any) -> None:
    make_mailbox(alice, "hello@secure.test")
    ours()
    before = len(peer.postfix.words())
    through_postfix(peer, make_raw(sender=SENDER, to="hello@secure.test"), "hello@secure.test")
    wait_until(lambda: "TLS is required" in peer.postfix.words()[before:], "a refusal to send in the clear", 30)
    assert "to=<hello@secure.test>, relay=127.0.0.1" in peer.postfix.words()[before:]
    assert "status=sent (250 2.0.0 Stored" not in peer.postfix.words()[before:]


MARKS = {"LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CRLF.LF": b"\r\n.\n", "CR.CRLF": b"\r.\r\n", "CRLF.CR": b"\r\n.\r"}


@pytest.mark.parametrize("name", MARKS)
def test_c03_a_smuggling_form_that_comes_through_postfix_makes_no_message_that_it_did_not_send(
    alice: Any, peer: Peer, ours: Any, name: str
) -> None:
    """Somebody behind Postfix tries: as many messages reach us as Postfix itself knows of, whatever it makes of the form."""
    make_mailbox(alice, "hello@acme.test")
    make_mailbox(alice, "victim@acme.test")
    ours()
    before = len(peer.postfix.words())
    smuggled = b"MAIL FROM:<evil@example.test>\r\nRCPT TO:<victim@acme.test>\r\nDATA\r\nSubject: two\r\n\r\nsmuggled\r\n.\r\n"
    with socket.create_connection(("127.0.0.1", peer.postfix.port), timeout=20) as line:
        reader = line.makefile("rb")
        for command in (b"", b"HELO program.test\r\n", b"MAIL FROM:<ada@example.test>\r\n", b"RCPT TO:<hello@acme.test>\r\n", b"DATA\r\n"):
            line.sendall(command)
            assert reader.readline()[:1] in (b"2", b"3")
        line.sendall(b"From: ada@example.test\r\nSubject: one\r\n\r\nfirst" + MARKS[name] + smuggled + b"QUIT\r\n")
        answers = reader.read()
    wait_until(lambda: peer.postfix.waiting() == 0, "an empty queue", 30)
    known = answers.count(b"queued as")
    assert peer.postfix.words()[before:].count("status=sent (250 2.0.0 Stored as") == known
    assert known == 0 or len(received(known)) == known
