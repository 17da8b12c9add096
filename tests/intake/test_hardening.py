"""The SMTP door under attack (RELIABILITY C-03, C-05, C-06, C-12, C-14): what is refused, what is audited, what stays bounded."""

import base64
import resource
import smtplib
import socket
import ssl
import time
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.factories.domains import make_domain
from tests.factories.mailboxes import PASSWORD, make_mailbox
from tests.factories.messages import make_raw
from tests.intake.conftest import unchecked_tls
from webapp.audit.models import AuditEntry
from webapp.core.db import db
from webapp.intake import service
from webapp.messages.models import Message
from webapp.tokens import service as tokens

STRANGERS: dict[str, Any] = {"trusted_networks": ()}


class Line:
    """A bare socket to the server, for what no client library sends."""

    def __init__(self, port: int) -> None:
        db.session.commit()
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=15)
        self.reader = self.socket.makefile("rb")
        self.answer()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> bytes:
        while True:
            line = self.reader.readline()
            if line[3:4] != b"-":
                return line.rstrip()

    def ask(self, command: bytes) -> bytes:
        self.send(command + b"\r\n")
        return self.answer()

    def over_tls(self) -> None:
        self.socket = unchecked_tls().wrap_socket(self.socket)
        self.reader = self.socket.makefile("rb")


def count(table: Any = Message) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(table)) or 0


def refused_entries(action: str) -> list[AuditEntry]:
    db.session.rollback()
    found = select(AuditEntry).where(AuditEntry.action == action, AuditEntry.result == "refused")
    return list(db.session.scalars(found.order_by(AuditEntry.id)))


SECOND = b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<hello@acme.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nsecond\r\n.\r\n"


@pytest.mark.parametrize(
    "end",
    [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r\n.\n", b"\r.\n", b"\n.\r", b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\r\n. \r\n"],
)  # fmt: skip
def test_c03_no_variant_of_the_end_mark_makes_two_messages(alice: Any, smtp: Any, end: bytes) -> None:
    make_mailbox(alice, "hello@acme.test")
    line = Line(smtp(**STRANGERS).ports["mx"])
    for command in (b"EHLO x.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<hello@acme.test>", b"DATA"):
        line.ask(command)
    line.send(b"Subject: first\r\n\r\nbody" + end + SECOND)
    answer = line.answer()
    assert answer[:3] in (b"250", b"550")
    assert count() == (1 if answer[:3] == b"250" else 0)


def test_c05_commands_behind_starttls_in_one_packet_are_dropped(alice: Any, smtp: Any, certificate: tuple[Path, Path]) -> None:
    make_mailbox(alice, "hello@acme.test")
    line = Line(smtp(tls_cert=certificate[0], tls_key=certificate[1], **STRANGERS).ports["mx"])
    line.ask(b"EHLO x.test")
    line.send(b"STARTTLS\r\nMAIL FROM:<injected@x.test>\r\n")
    first = line.answer()
    if first.startswith(b"220"):
        try:
            line.over_tls()
        except (ssl.SSLError, OSError):
            return  # the server hung up on it
        assert line.ask(b"RCPT TO:<hello@acme.test>").startswith(b"503")
        line.ask(b"EHLO x.test")
        assert line.ask(b"RCPT TO:<hello@acme.test>").startswith(b"503")
        line.ask(b"MAIL FROM:<clean@x.test>")
        assert line.ask(b"RCPT TO:<hello@acme.test>").startswith(b"250")
    else:
        assert first[:1] in (b"4", b"5", b"")


def test_a_session_after_starttls_starts_anew_and_delivers(alice: Any, smtp: Any, certificate: tuple[Path, Path]) -> None:
    make_mailbox(alice, "hello@acme.test")
    with smtp(tls_cert=certificate[0], tls_key=certificate[1], **STRANGERS).connect() as client:
        client.ehlo("x.test")
        client.starttls(context=unchecked_tls())
        assert client.docmd("MAIL FROM:<a@b.test>")[0] == 503
        client.sendmail("a@b.test", ["hello@acme.test"], make_raw())
    assert count() == 1


def test_c06_a_body_beyond_the_limit_is_refused_and_memory_stays_bounded(alice: Any, smtp: Any) -> None:
    make_mailbox(alice, "hello@acme.test")
    server = smtp(max_message_bytes=1_000_000, **STRANGERS)
    line = Line(server.ports["mx"])
    for command in (b"EHLO x.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<hello@acme.test>", b"DATA"):
        line.ask(command)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    piece = b"x" * 65_000 + b"\r\n"
    try:
        for _ in range(1200):
            line.send(piece)
        line.send(b".\r\n")
        assert line.answer().startswith(b"552")
    except OSError:
        pass  # hanging up is an answer too
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000
    assert count() == 0


def test_c06_a_declared_size_is_refused_before_data(alice: Any, smtp: Any) -> None:
    with smtp(max_message_bytes=1_000_000, **STRANGERS).connect() as client:
        client.ehlo("x.test")
        assert client.docmd("MAIL FROM:<a@b.test> SIZE=2000000")[0] == 552


def test_c06_endless_commands_and_recipients_end(alice: Any, smtp: Any) -> None:
    make_mailbox(alice, "hello@acme.test")
    server = smtp(**STRANGERS)
    line = Line(server.ports["mx"])
    line.send(b"EHLO " + b"x" * 70_000 + b"\r\n")
    assert line.answer()[:1] in (b"5", b"")
    with server.connect() as client:
        client.ehlo("x.test")
        client.mail("a@b.test")
        codes = {client.rcpt(f"hello+{number}@acme.test")[0] for number in range(1005)}
    assert codes == {250, 452}


RELAY_FORMS = [
    "<victim@elsewhere.test>", "victim@elsewhere.test", "<victim%elsewhere.test@acme.test>", "<\"victim@elsewhere.test\"@acme.test>",
    "<\"victim%elsewhere.test\"@acme.test>", "<victim@elsewhere.test@acme.test>", "<@acme.test:victim@elsewhere.test>",
    "<@acme.test,@b.test:victim@elsewhere.test>", "<elsewhere.test!victim>", "<elsewhere.test!victim@acme.test>",
    "<acme.test!elsewhere.test!victim>", "<\"elsewhere.test!victim\"@acme.test>", "<victim@[127.0.0.1]>", "<victim@localhost>",
    "<victim@127.0.0.1>", "<victim@mail.acme.test.elsewhere.test>", "<victim@elsewhere.test.>", "<victim@ELSEWHERE.TEST>",
    "<victim @elsewhere.test>", "< victim@elsewhere.test >", "<victim>", "<\"victim\">", "<\"victim@elsewhere.test\">",
    "<victim@elsewhere.test,hello@acme.test>", "<hello@acme.test> <victim@elsewhere.test>", "<victim(hello@acme.test)@elsewhere.test>",
    "<victim\\@elsewhere.test@acme.test>", "<victim@xn--elsewhere.test>", "<|victim@elsewhere.test>", "</dev/null@elsewhere.test>",
    "<victim@acme.test@elsewhere.test>",
]  # fmt: skip


def test_c12_thirty_forms_of_relaying_are_refused_and_audited_once_a_minute(alice: Any, smtp: Any) -> None:
    make_mailbox(alice, "hello@acme.test")
    server = smtp()  # a trusted network may not relay either
    for form in RELAY_FORMS:
        with server.connect() as client:
            client.ehlo("x.test")
            client.mail("hello@acme.test")
            code = client.docmd(f"RCPT TO:{form}")[0]
            assert 500 <= code < 600, (form, code)
    assert count() == 0
    (entry,) = refused_entries("smtp.relay")
    assert entry.ip == "127.0.0.1" and entry.workspace_id == 0
    db.session.commit()
    service.refusals.flush(everything=True)
    first, more = refused_entries("smtp.relay")
    assert "more within a minute" in (more.reason or "") and first.id == entry.id


@pytest.mark.parametrize("kind", ["mailbox", "token"])
def test_c12_a_login_sends_under_its_own_addresses_alone(alice: Any, eve: Any, smtp: Any, kind: str) -> None:
    mine, foreign = make_mailbox(alice, "hello@acme.test"), make_mailbox(eve, "evil@evil.test")
    other = make_mailbox(alice, "other@acme.test")
    _, value = tokens.create_token(alice.actor, name="send", kind="ops", scopes=["messages:send"], mailbox_ids=[mine.id])
    user, password = ("hello@acme.test", PASSWORD) if kind == "mailbox" else ("api", value)
    server = smtp()
    with server.connect("submission") as client:
        client.login(user, password)
        for sender in (foreign.email, other.email, "ceo@elsewhere.test", "<>"):
            code, text = client.mail(sender if sender != "<>" else "")
            assert (code, text[:5]) == (553, b"5.7.1"), sender
        spoofed = ("ceo@elsewhere.test", "hello@acme.test, ceo@elsewhere.test", '"hello@acme.test" <ceo@elsewhere.test>', other.email)
        for header in spoofed:
            client.rset()
            client.mail("hello@acme.test")
            client.rcpt("someone@elsewhere.test")
            code, text = client.data(f"From: {header}\r\nSubject: x\r\n\r\nbody\r\n".encode())
            assert (code, text[:5]) == (553, b"5.7.1"), header
        client.rset()
        client.mail("hello@acme.test")
        client.rcpt("someone@elsewhere.test")
        assert client.data(b"From: ceo@elsewhere.test\r\nFrom: hello@acme.test\r\n\r\nbody\r\n")[0] == 553
        assert client.sendmail("hello@acme.test", ["someone@elsewhere.test"], make_raw(sender="hello@acme.test")) == {}
    entries = refused_entries("smtp.send")
    assert [entry.workspace_id for entry in entries] == [alice.workspace.id] and entries[0].actor_type == kind
    assert count() == 1


def test_a_token_limited_to_one_mailbox_cannot_log_in_as_another(alice: Any, smtp: Any) -> None:
    mine = make_mailbox(alice, "hello@acme.test")
    make_mailbox(alice, "other@acme.test")
    _, value = tokens.create_token(alice.actor, name="send", kind="ops", scopes=["messages:send"], mailbox_ids=[mine.id])
    _, reader = tokens.create_token(alice.actor, name="read", kind="ops", scopes=["messages:read"])
    server = smtp()
    tries = (("hello@acme.test", value, True), ("other@acme.test", value, False), ("api", reader, False), ("api", PASSWORD, False))
    for user, password, fits in tries:
        with server.connect("submission") as client:
            if fits:
                assert client.login(user, password)[0] == 235
            else:
                with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
                    client.login(user, password)
                assert refused.value.smtp_code == 535


def test_a_revoked_token_and_a_paused_mailbox_end_a_session_that_is_open(alice: Any, smtp: Any) -> None:
    box = make_mailbox(alice, "hello@acme.test")
    token, value = tokens.create_token(alice.actor, name="send", kind="ops", scopes=["messages:send"])
    server = smtp()
    with server.connect("submission") as by_token, server.connect("submission") as by_password:
        by_token.login("api", value)
        by_password.login("hello@acme.test", PASSWORD)
        assert by_token.mail("hello@acme.test")[0] == by_password.mail("hello@acme.test")[0] == 250
        tokens.revoke_token(alice.actor, token.id)
        box.status = "paused"
        db.session.commit()
        time.sleep(0.6)  # a token is remembered for half a second
        by_token.rset()
        by_password.rset()
        assert by_token.mail("hello@acme.test")[0] == 530
        assert by_password.mail("hello@acme.test")[0] == 550


def test_an_unproven_domain_elsewhere_does_not_catch_the_mail_of_others(alice: Any, eve: Any, smtp: Any, work_off: Any) -> None:
    make_mailbox(alice, "hello@acme.test")
    make_mailbox(eve, "ceo@bank.test", domain=make_domain(eve, "bank.test", verified=False))
    with smtp().connect("submission") as client:
        client.login("hello@acme.test", PASSWORD)
        client.sendmail("hello@acme.test", ["ceo@bank.test"], make_raw(sender="hello@acme.test"))
    work_off()
    db.session.rollback()
    assert [message.workspace_id for message in db.session.scalars(select(Message))] == [alice.workspace.id]


def test_c14_guessing_is_slowed_and_the_answer_tells_nothing(alice: Any, smtp: Any) -> None:
    make_mailbox(alice, "hello@acme.test")
    server = smtp()
    answers: dict[str, list[tuple[int, bytes]]] = {"hello@acme.test": [], "nobody@acme.test": []}
    for user, seen in answers.items():
        for number in range(6):
            with server.connect("submission") as client:
                client.ehlo("x.test")
                plain = base64.b64encode(f"\0{user}\0wrong password {number}".encode()).decode()
                seen.append(client.docmd(f"AUTH PLAIN {plain}"))
    assert answers["hello@acme.test"] == answers["nobody@acme.test"]
    assert [code for code, _ in answers["hello@acme.test"]] == [535] * 5 + [454]
    with server.connect("submission") as client, pytest.raises(smtplib.SMTPAuthenticationError):
        client.login("hello@acme.test", PASSWORD)
    entries = refused_entries("smtp.login")
    assert sorted({entry.workspace_id for entry in entries}) == [0, alice.workspace.id]
    assert len(entries) == 2, "one row for each workspace and address within a minute"


def test_c14_no_login_before_tls_outside_the_allowed_networks(alice: Any, smtp: Any, certificate: tuple[Path, Path]) -> None:
    make_mailbox(alice, "hello@acme.test")
    server = smtp(tls_cert=certificate[0], tls_key=certificate[1], auth_without_tls=(ip_network("10.0.0.0/8"),))
    with server.connect("submission") as client:
        client.ehlo("x.test")
        assert "auth" not in client.esmtp_features
        assert client.docmd("AUTH PLAIN", base64.b64encode(f"\0hello@acme.test\0{PASSWORD}".encode()).decode())[0] == 538
        client.starttls(context=unchecked_tls())
        assert client.login("hello@acme.test", PASSWORD)[0] == 235


def test_the_mx_port_takes_no_login_and_the_submission_port_no_strangers(alice: Any, smtp: Any) -> None:
    make_mailbox(alice, "hello@acme.test")
    server = smtp()
    with server.connect() as client, pytest.raises(smtplib.SMTPNotSupportedError):
        client.login("hello@acme.test", PASSWORD)
    with server.connect("submission") as client:
        client.ehlo("x.test")
        assert client.mail("hello@acme.test") == (530, b"5.7.0 Log in first")


def test_implicit_tls_takes_logins_and_a_renewed_certificate_counts(alice: Any, smtp: Any, certificate: tuple[Path, Path]) -> None:
    make_mailbox(alice, "hello@acme.test")
    server = smtp(tls_cert=certificate[0], tls_key=certificate[1], submissions_port=0, auth_without_tls=())
    db.session.commit()
    with smtplib.SMTP_SSL("127.0.0.1", server.ports["submissions"], timeout=15, context=unchecked_tls()) as client:
        assert client.login("hello@acme.test", PASSWORD)[0] == 235
    context = server.door.certificate()
    certificate[0].write_text("this is no certificate")
    assert server.door.certificate() is context, "a broken renewal keeps the certificate before it"


def test_c16_nobody_gets_a_report_about_refused_mail(alice: Any, smtp: Any, work_off: Any) -> None:
    make_mailbox(alice, "hello@acme.test")
    with smtp(**STRANGERS).connect() as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("forged@elsewhere.test", ["nobody@acme.test"], make_raw())
        client.sendmail("forged@elsewhere.test", ["hello@acme.test", "nobody@acme.test"], make_raw())
    work_off()
    db.session.rollback()
    assert [message.direction for message in db.session.scalars(select(Message))] == ["received"]
