"""STARTTLS and AUTH: nothing said in the clear counts (C-05), no login in the clear and no telling who exists (C-14)."""

import base64
import smtplib
import socket
import ssl

import pytest

from tests.mail.smtp_door import Door, Guesses, Raw, no_checks
from tests.servers import wait_until
from webapp.mail import status


def _plain(username: str, password: str) -> bytes:
    return base64.b64encode(f"\0{username}\0{password}".encode())


GOOD, BAD, UNKNOWN = _plain("ann", "secret"), _plain("ann", "wrong"), _plain("nobody", "secret")


def test_c05_commands_behind_starttls_in_one_packet_are_dropped(submission: Door) -> None:
    with submission.raw() as client:
        client.send(b"STARTTLS\r\nEHLO evil.test\r\nAUTH PLAIN " + BAD + b"\r\nNOOP\r\n")
        assert client.reply() == status.READY_FOR_TLS
        client.socket = no_checks().wrap_socket(client.socket)
        client.file = client.socket.makefile("rb")
        assert client.say(b"VRFY x") == status.NOT_VERIFIED
        assert client.say(b"MAIL FROM:<a@x.test>") == status.HELLO_FIRST
    assert submission.intake.logins == []


def test_c05_the_session_starts_anew_behind_tls(server_tls: tuple[ssl.SSLContext, bytes]) -> None:
    with Door(tls=lambda: server_tls[0]) as door, door.raw() as client:
        client.say(b"MAIL FROM:<a@x.test>")
        client.say(b"RCPT TO:<b@here.test>")
        assert client.say(b"STARTTLS") == status.READY_FOR_TLS
        client.socket = no_checks().wrap_socket(client.socket)
        client.file = client.socket.makefile("rb")
        assert client.say(b"DATA") == status.HELLO_FIRST
        assert "STARTTLS" not in client.say(b"EHLO client.test")
        assert client.say(b"STARTTLS") == status.TLS_ACTIVE
        client.envelope()
        assert client.say(b"x\r\n.") == status.stored_as(1)
    assert door.intake.arrivals[0].tls
    assert b"with ESMTPS id" in door.intake.arrivals[0].raw


def test_c05_a_login_in_the_clear_does_not_survive_starttls(server_tls: tuple[ssl.SSLContext, bytes]) -> None:
    with Door(kind="submission", tls=lambda: server_tls[0], may_auth_plain=lambda ip: True) as door, door.raw() as client:
        assert client.say(b"AUTH PLAIN " + GOOD) == status.LOGGED_IN
        client.start_tls()
        assert client.say(b"MAIL FROM:<a@here.test>") == status.LOGIN_NEEDED


@pytest.mark.parametrize("instead", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b""])
def test_a_handshake_that_fails_leaves_no_connection_behind(submission: Door, instead: bytes) -> None:
    with submission.raw() as client:
        assert client.say(b"STARTTLS") == status.READY_FOR_TLS
        client.send(instead)
        client.socket.shutdown(socket.SHUT_WR)
        wait_until(lambda: not submission.rules.connections, "the end of the connection")
    assert submission.listener.live == set()


def test_a_client_that_vanishes_within_the_handshake_leaves_no_connection_behind(submission: Door) -> None:
    client = submission.raw()
    assert client.say(b"STARTTLS") == status.READY_FOR_TLS
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.__exit__()
    wait_until(lambda: not submission.rules.connections, "the end of the connection")
    assert submission.listener.live == set()


def test_c14_no_login_before_tls_and_no_word_of_it(submission: Door) -> None:
    with submission.raw(hello=False) as client:
        client.reply()
        offered = client.say(b"EHLO client.test")
        assert "STARTTLS" in offered
        assert "AUTH" not in offered
        assert client.say(b"AUTH PLAIN " + GOOD) == status.TLS_NEEDED
        assert client.say(b"AUTH LOGIN") == status.TLS_NEEDED
        assert client.say(b"MAIL FROM:<a@x.test>") == status.LOGIN_NEEDED
        assert "250-AUTH PLAIN LOGIN" in client.start_tls().splitlines()
    assert submission.intake.logins == []


def test_c14_unknown_user_and_wrong_password_get_the_same_answer(submission: Door) -> None:
    with submission.raw() as client:
        client.start_tls()
        assert client.say(b"AUTH PLAIN " + BAD) == client.say(b"AUTH PLAIN " + UNKNOWN) == status.LOGIN_REFUSED
        assert client.say(b"MAIL FROM:<a@x.test>") == status.LOGIN_NEEDED
        assert client.say(b"AUTH PLAIN " + GOOD) == status.LOGGED_IN
        assert client.say(b"AUTH PLAIN " + GOOD) == status.LOGGED_IN_ALREADY


def test_c14_too_many_failures_are_answered_454_without_a_look_at_the_password(server_tls: tuple[ssl.SSLContext, bytes]) -> None:
    guesses = Guesses(free=3)
    with Door(kind="submission", tls=lambda: server_tls[0], throttle=guesses) as door, door.raw() as client:
        client.start_tls()
        assert [client.say(b"AUTH PLAIN " + BAD) for _ in range(5)] == [status.LOGIN_REFUSED] * 3 + [status.TOO_MANY_LOGINS] * 2
        assert client.say(b"AUTH PLAIN " + GOOD) == status.TOO_MANY_LOGINS
        assert client.say(b"AUTH PLAIN " + UNKNOWN) == status.TOO_MANY_LOGINS
        assert len(door.intake.logins) == 3
        guesses.failures.clear()
        assert client.say(b"AUTH PLAIN " + GOOD) == status.LOGGED_IN


@pytest.mark.parametrize(
    "steps",
    [
        [b"AUTH PLAIN " + GOOD],
        [b"auth plain " + GOOD],
        [b"AUTH PLAIN", GOOD],
        [b"AUTH LOGIN", base64.b64encode(b"ann"), base64.b64encode(b"secret")],
        [b"AUTH LOGIN " + base64.b64encode(b"ann"), base64.b64encode(b"secret")],
    ],
)
def test_both_mechanisms_log_in_with_and_without_a_first_answer(submission: Door, steps: list[bytes]) -> None:
    with submission.raw() as client:
        client.start_tls()
        answers = [client.say(step) for step in steps]
        assert [answer[:3] for answer in answers[:-1]] == ["334"] * (len(steps) - 1)
        assert answers[-1] == status.LOGGED_IN
        client.say(b"MAIL FROM:<ann@here.test>")
        assert client.say(b"RCPT TO:<b@away.test>") == status.RECIPIENT_OK
        client.say(b"DATA")
        assert client.say(b"x\ny\r\n.") == status.stored_as(1)
    (arrival,) = submission.intake.arrivals
    assert arrival.login is not None
    assert (arrival.login.name, arrival.kind) == ("ann", "submission")
    assert arrival.raw.endswith(b"x\r\ny\r\n")
    assert b"with ESMTPSA id" in arrival.raw


@pytest.mark.parametrize(
    ("steps", "reply"),
    [
        ([b"AUTH"], status.LOGIN_SYNTAX),
        ([b"AUTH PLAIN a b"], status.LOGIN_SYNTAX),
        ([b"AUTH CRAM-MD5"], status.UNKNOWN_MECHANISM),
        ([b"AUTH PLAIN !!!"], status.NOT_BASE64),
        ([b"AUTH PLAIN gr\xc3\xbc\xdfe"], status.NOT_BASE64),
        ([b"AUTH PLAIN ="], status.NO_PLAIN),
        ([b"AUTH PLAIN " + base64.b64encode(b"ann")], status.NO_PLAIN),
        ([b"AUTH PLAIN " + base64.b64encode(b"\0a\0b\0c")], status.NO_PLAIN),
        ([b"AUTH PLAIN " + base64.b64encode(b"\0\xff\0x")], status.LOGIN_NOT_UTF8),
        ([b"AUTH PLAIN", b"*"], status.LOGIN_GIVEN_UP),
        ([b"AUTH LOGIN", b"*"], status.LOGIN_GIVEN_UP),
        ([b"AUTH LOGIN", base64.b64encode(b"ann"), b"*"], status.LOGIN_GIVEN_UP),
        ([b"AUTH LOGIN", b"\xff\xfe"], status.NOT_BASE64),
        ([b"AUTH PLAIN", b"A" * 13000], status.COMMAND_TOO_LONG),
        ([b"AUTH PLAIN " + _plain("", "")], status.LOGIN_REFUSED),
    ],
)
def test_each_broken_login_has_its_reply(submission: Door, steps: list[bytes], reply: str) -> None:
    with submission.raw() as client:
        client.start_tls()
        assert [client.say(step) for step in steps][-1] == reply
        assert client.say(b"NOOP") == status.OK
        assert client.say(b"MAIL FROM:<a@here.test>") == status.LOGIN_NEEDED


def test_a_login_within_a_message_is_refused(server_tls: tuple[ssl.SSLContext, bytes]) -> None:
    with Door(kind="submission", may_auth_plain=lambda ip: True) as door, door.raw() as client:
        assert client.say(b"AUTH PLAIN " + GOOD) == status.LOGGED_IN
        client.say(b"MAIL FROM:<a@here.test>")
        assert client.say(b"AUTH PLAIN " + GOOD) == status.LOGGED_IN_ALREADY
        assert client.say(b"EHLO again.test").startswith("250-")
        assert client.say(b"MAIL FROM:<a@here.test>") == status.SENDER_OK


def test_a_login_needs_ehlo(server_tls: tuple[ssl.SSLContext, bytes]) -> None:
    with Door(kind="submission", may_auth_plain=lambda ip: True) as door, door.raw(hello=False) as client:
        client.reply()
        assert client.say(b"AUTH PLAIN " + GOOD) == status.HELLO_FIRST
        client.say(b"HELO client.test")
        assert client.say(b"AUTH PLAIN " + GOOD) == status.HELLO_FIRST


def test_implicit_tls_takes_logins_at_once(server_tls: tuple[ssl.SSLContext, bytes]) -> None:
    context = ssl.create_default_context(cadata=server_tls[1].decode())
    with Door(kind="submission", tls=lambda: server_tls[0], implicit_tls=True) as door:
        with Raw(door.port, context=context) as client:
            assert client.say(b"STARTTLS") == status.TLS_ACTIVE
            assert client.say(b"AUTH PLAIN " + GOOD) == status.LOGGED_IN
            client.envelope()
            assert client.say(b"x\r\n.") == status.stored_as(1)
        wait_until(lambda: not door.rules.connections, "the end of the connection")
    assert door.intake.arrivals[0].tls


def test_implicit_tls_without_a_certificate_does_not_start() -> None:
    with pytest.raises(ValueError, match="needs a certificate"):
        Door(implicit_tls=True)


def test_smtplib_submits_with_starttls_and_either_mechanism(submission: Door) -> None:
    for mechanism in ("PLAIN", "LOGIN"):
        with smtplib.SMTP("127.0.0.1", submission.port) as client:
            client.starttls(context=no_checks())
            client.ehlo()
            client.user, client.password = "ann", "secret"
            client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"))
            client.sendmail("ann@here.test", ["b@away.test"], f"Subject: {mechanism}\n\nx\n")
    assert [b"Subject: PLAIN" in arrival.raw for arrival in submission.intake.arrivals] == [True, False]
