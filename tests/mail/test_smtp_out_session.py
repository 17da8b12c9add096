"""The session: kept for many messages, TLS, logins, what is on the wire (C-04) and what never gets there (C-68)."""

import base64
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mail.smtp_door import Door, self_signed
from tests.mail.smtp_peer import EHLO, RAW, Peer, Step, hang_up, say_and_hang_up
from tests.servers import wait_until
from webapp.mail import smtp_line
from webapp.mail.smtp_out import ConnectFailed, Target, connect, wire_form

STARTTLS = b"250-peer.test\r\n250 STARTTLS\r\n"


@pytest.fixture(scope="module")
def named() -> tuple[ssl.SSLContext, bytes]:
    return self_signed("localhost")


@pytest.fixture
def trusted(named: tuple[ssl.SSLContext, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """The certificate of `localhost` is one that this system believes."""
    file = tmp_path / "ca.pem"
    file.write_bytes(named[1])
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    smtp_line.tls_context.cache_clear()
    yield named[0]
    smtp_line.tls_context.cache_clear()


# --- many messages ---------------------------------------------------------------------------------------


def test_one_connection_carries_many_messages() -> None:
    with Peer() as peer, peer.connect() as line:
        for number in range(20):
            (result,) = line.send("a@x.test", [f"r{number}@y.test"], RAW)
            assert result.outcome == "sent"
            assert not line.broken
    assert peer.listener.accepted == 1
    assert peer.verbs() == ["EHLO", *["MAIL", "RCPT", "DATA"] * 20, "QUIT"]
    assert peer.bodies == [RAW + b".\r\n"] * 20


@pytest.mark.parametrize("steps", [{"rcpt": [b"550 no\r\n"]}, {"mail": [b"550 no\r\n"]}, {"dot": [b"554 spam\r\n"]}])
def test_after_a_refusal_the_next_message_goes_over_the_same_connection(steps: dict[str, list[Step]]) -> None:
    with Peer(**steps) as peer, peer.connect() as line:
        assert line.send("a@x.test", ["b@y.test"], RAW)[0].outcome == "failed"
        assert line.send("a@x.test", ["b@y.test"], RAW)[0].outcome == "sent"
    assert peer.listener.accepted == 1
    assert ("RSET" in peer.commands) == ("dot" not in steps)


def test_421_after_a_message_ends_the_connection_and_nothing_is_in_doubt() -> None:
    """The server said goodbye while the line was idle; the next message has not left, so it may go again at once."""
    with Peer(dot=say_and_hang_up(b"250 2.0.0 ok\r\n421 4.4.2 idle too long\r\n")) as peer, peer.connect() as line:
        (first,) = line.send("a@x.test", ["b@y.test"], RAW)
        assert first.outcome == "sent"
        (second,) = line.send("a@x.test", ["b@y.test"], RAW)
        assert (second.outcome, second.code) == ("retry", None)
        assert "421 4.4.2 idle too long" in second.text
        assert line.broken
    assert peer.verbs().count("MAIL") == 1


def test_a_server_that_closed_the_kept_connection_is_noticed_before_anything_is_sent() -> None:
    with Peer(dot=say_and_hang_up(b"250 2.0.0 ok\r\n")) as peer, peer.connect() as line:
        assert line.send("a@x.test", ["b@y.test"], RAW)[0].outcome == "sent"
        wait_until(lambda: line._socket is not None and line._socket.recv(1, socket.MSG_PEEK) == b"", "the end of the connection")
        (second,) = line.send("a@x.test", ["b@y.test"], RAW)
    assert (second.outcome, second.code) == ("retry", None)
    assert not any(note.startswith("C:") for note in second.dialogue)


def test_the_dialogue_tells_the_whole_story_of_one_message() -> None:
    with Peer(rcpt=[b"250 ok\r\n", b"550 5.1.1 who\r\n"]) as peer, peer.connect() as line:
        assert line.dialogue == [
            f"-- connect 127.0.0.1:{peer.listener.port}", "S: 220 peer.test", "C: EHLO client.test",
            "S: 250 peer.test PIPELINING 8BITMIME SIZE 90000000",
        ]  # fmt: skip
        results = line.send("a@x.test", ["b@y.test", "c@y.test"], RAW)
        assert results[0].dialogue == results[1].dialogue == [
            "C: MAIL FROM:<a@x.test> SIZE=21", "S: 250 2.0.0 ok", "C: RCPT TO:<b@y.test>", "S: 250 ok",
            "C: RCPT TO:<c@y.test>", "S: 550 5.1.1 who", "C: DATA", "S: 354 go", "C: <24 bytes>", "S: 250 2.0.0 ok",
        ]  # fmt: skip
        assert results[0].seconds > 0


# --- on the wire -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "wire"),
    [
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"", b"\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b".a\r\n..b\r\n.\r\nc", b"..a\r\n...b\r\n..\r\nc\r\n.\r\n"),
        (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\n.\r\nb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r.\r\nb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\n.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\n\0.\r\nb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\n.\0\r\nb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\0\n.\r\0\nb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\r\n.\r\r\nb", b"a\r\n\r\n..\r\n\r\nb\r\n.\r\n"),
        (b"a\r", b"a\r\n.\r\n"),
        (b"a\n", b"a\r\n.\r\n"),
        (b"a\r\n.", b"a\r\n..\r\n.\r\n"),
        ("a\u0085.\u2028.\r\n\v.\x0c".encode(), "a\u0085.\u2028.\r\n\v.\x0c\r\n.\r\n".encode()),
    ],
)
def test_c04_only_crlf_and_never_an_early_end(raw: bytes, wire: bytes) -> None:
    assert wire_form(raw) == wire
    with Peer() as peer, peer.connect() as line:
        assert line.send("a@x.test", ["b@y.test"], raw)[0].outcome == "sent"
        assert line.send("a@x.test", ["b@y.test"], RAW)[0].outcome == "sent"
    assert peer.bodies == [wire, RAW + b".\r\n"]
    assert peer.verbs() == ["EHLO", *["MAIL", "RCPT", "DATA"] * 2, "QUIT"]


@pytest.mark.parametrize("size", [*range(65_530, 65_545), 131_072])
def test_c04_a_body_on_the_border_of_a_piece_arrives_whole_at_our_own_door(size: int) -> None:
    """`size` is that of the wire form, so the final dot lies around the border."""
    raw = b"Subject: x\r\n\r\n" + b"y" * (size - 19) + b"\r\n"
    assert len(wire_form(raw)) == size
    with Door(max_bytes=200_000) as door, connect(Target("127.0.0.1", door.port), "client.test") as line:
        assert line.send("a@x.test", ["b@here.test"], raw)[0].outcome == "sent"
    assert door.intake.bodies() == [raw]


def test_c04_a_body_full_of_dots_arrives_as_it_was_at_our_own_door() -> None:
    raw = b"Subject: x\r\n\r\n" + b".line\r\n..\r\n.\r\n\r\n" * 100_000
    with Door(max_bytes=5_000_000) as door, connect(Target("127.0.0.1", door.port), "client.test") as line:
        assert line.send("a@x.test", ["b@here.test"], raw)[0].outcome == "sent"
    assert door.intake.bodies() == [raw]


@pytest.mark.parametrize(
    "address",
    [
        "b@y.test\r\nRCPT TO:<evil@y.test>", "b@y.test\nDATA", "b@y.test\rx", "b @y.test", "b@y.test> SIZE=1", "<b@y.test", "b\0@y.test",
        "b\t@y.test", "b\x7f@y.test", "b\u0085@y.test", "b\u2028@y.test", "b\u2029@y.test", "b\xa0@y.test", "b\ud800@y.test",
    ],
)  # fmt: skip
def test_c68_an_address_that_could_become_a_command_is_not_sent(address: str) -> None:
    with Peer() as peer, peer.connect() as line:
        for sender, recipients in (("a@x.test", [address, "b@y.test"]), (address, ["b@y.test"])):
            results = line.send(sender, recipients, RAW)
            assert [result.recipient for result in results] == recipients
            assert {(result.outcome, result.code) for result in results} == {("failed", None)}
        assert line.send("", ["b@y.test"], RAW)[0].outcome == "sent"
    assert peer.verbs() == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
    assert peer.commands[1] == "MAIL FROM:<> SIZE=21"


def test_international_addresses_need_a_server_that_takes_them() -> None:
    with Peer() as peer:
        (result,) = peer.send("grüße@y.test")
        assert (result.outcome, result.code) == ("failed", None)
        assert "SMTPUTF8" in result.text
    assert peer.verbs() == ["EHLO", "QUIT"]
    with Peer(ehlo=b"250-peer.test\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n") as peer:
        assert peer.send("grüße@y.test", raw="Subject: grüße\r\n".encode())[0].outcome == "sent"
    assert peer.commands[1:3] == ["MAIL FROM:<a@x.test> BODY=8BITMIME SMTPUTF8", "RCPT TO:<grüße@y.test>"]


# --- TLS -------------------------------------------------------------------------------------------------


def test_opportunistic_tls_is_used_when_offered_without_a_look_at_the_certificate(server_tls: tuple[ssl.SSLContext, bytes]) -> None:
    with Peer(tls=server_tls[0], ehlo=STARTTLS) as peer, peer.connect() as line:
        assert any(note.startswith("-- TLS TLSv1.") for note in line.dialogue)
        for _ in range(3):
            assert line.send("a@x.test", ["b@y.test"], RAW)[0].outcome == "sent"
    assert peer.verbs()[:3] == ["EHLO", "STARTTLS", "EHLO"]


def test_opportunistic_tls_is_left_out_when_not_offered_or_refused() -> None:
    for steps in ({}, {"ehlo": STARTTLS, "starttls": b"454 4.7.0 no\r\n"}):
        with Peer(**steps) as peer:
            assert peer.send()[0].outcome == "sent"


def test_opportunistic_tls_that_breaks_is_left_out_on_a_new_connection() -> None:
    with Peer(ehlo=STARTTLS, starttls=say_and_hang_up(b"220 go\r\n")) as peer, peer.connect() as line:
        assert "-- once more without TLS" in line.dialogue
        assert line.send("a@x.test", ["b@y.test"], RAW)[0].outcome == "sent"
    assert peer.listener.accepted == 2
    assert peer.verbs() == ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"]


def test_a_password_does_not_go_in_the_clear_because_tls_broke() -> None:
    with Peer(ehlo=STARTTLS, starttls=say_and_hang_up(b"220 go\r\n")) as peer:
        with pytest.raises(ConnectFailed, match="TLS could not be started"):
            peer.connect(username="ann", password="secret")
        assert peer.listener.accepted == 1
    assert not any(command.startswith("AUTH") for command in peer.commands)


@pytest.mark.parametrize("steps", [{}, {"ehlo": STARTTLS, "starttls": b"454 4.7.0 no\r\n"}, {"ehlo": STARTTLS, "starttls": hang_up}])
def test_required_tls_that_is_not_to_be_had_sends_nothing(steps: dict[str, Step]) -> None:
    with Peer(**steps) as peer:
        with pytest.raises(ConnectFailed) as failed:
            peer.connect(tls="require")
        assert failed.value.outcome == "retry"
    assert "MAIL" not in peer.verbs()


@pytest.mark.parametrize("tls", ["require", "implicit"])
def test_a_certificate_that_nobody_vouches_for_is_refused(named: tuple[ssl.SSLContext, bytes], tls: str) -> None:
    with Peer(tls=named[0], ehlo=STARTTLS, implicit=tls == "implicit") as peer:
        with pytest.raises(ConnectFailed, match="certificate is not valid: self") as failed:
            peer.connect(tls=tls, host="localhost", address="127.0.0.1")
        assert failed.value.outcome == "retry"
    assert "MAIL" not in peer.verbs()


@pytest.mark.parametrize("tls", ["require", "implicit"])
def test_a_certificate_of_another_name_is_refused(trusted: ssl.SSLContext, tls: str) -> None:
    with Peer(tls=trusted, ehlo=STARTTLS, implicit=tls == "implicit") as peer:
        with pytest.raises(ConnectFailed, match="certificate is not valid: Hostname mismatch"):
            peer.connect(tls=tls, host="other.test", address="127.0.0.1")
        with peer.connect(tls=tls, host="localhost", address="127.0.0.1") as line:
            assert line.send("a@x.test", ["b@y.test"], RAW)[0].outcome == "sent"


def test_what_the_server_says_in_the_clear_behind_starttls_is_not_believed(named: tuple[ssl.SSLContext, bytes]) -> None:
    with Peer(tls=named[0], ehlo=STARTTLS, starttls=b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n") as peer:
        with pytest.raises(ConnectFailed, match="in the clear after STARTTLS"):
            peer.connect(username="ann", password="secret")
        assert "MAIL" not in peer.verbs()


# --- logins ----------------------------------------------------------------------------------------------


def test_a_login_with_plain_is_masked_in_the_dialogue() -> None:
    with Peer(ehlo=b"250-peer.test\r\n250 AUTH LOGIN PLAIN\r\n", auth=b"235 2.7.0 welcome\r\n") as peer:
        line = peer.connect(username="ann", password="grüße")
        assert line.dialogue[-2:] == ["C: AUTH PLAIN ••••", "S: 235 2.7.0 welcome"]
        line.close()
    assert base64.b64decode(peer.commands[1].split(" ")[2]).decode() == "\0ann\0grüße"


def test_a_login_with_login_is_masked_in_the_dialogue() -> None:
    answers: dict[str, Step] = {"auth": b"334 VXNlcm5hbWU6\r\n", "yw5u": b"334 UGFzc3dvcmQ6\r\n", "c2vj": b"235 2.7.0 welcome\r\n"}
    with Peer(ehlo=b"250-peer.test\r\n250 AUTH=LOGIN\r\n", **answers) as peer, peer.connect(username="ann", password="secret") as line:
        assert line.dialogue[-6::2] == ["C: AUTH LOGIN", "C: ••••", "C: ••••"]
        assert line.dialogue[-5::2] == ["S: 334 VXNlcm5hbWU6", "S: 334 UGFzc3dvcmQ6", "S: 235 2.7.0 welcome"]
    assert peer.commands[1:4] == ["AUTH LOGIN", base64.b64encode(b"ann").decode(), base64.b64encode(b"secret").decode()]


@pytest.mark.parametrize("ehlo", [EHLO, b"250-peer.test\r\n250 AUTH LOGIN\r\n", b"502 what\r\n"])
def test_a_refused_login_is_a_clear_refusal_without_secrets(ehlo: bytes) -> None:
    with Peer(ehlo=ehlo, auth=b"535 5.7.8 no\r\n") as peer:
        with pytest.raises(ConnectFailed, match=r"login was refused: 535 5\.7\.8 no") as failed:
            peer.connect(username="ann", password="secret")
        assert "MAIL" not in peer.verbs()
    assert (failed.value.code, failed.value.outcome) == (535, "retry")
    told = "\n".join([failed.value.text, *failed.value.dialogue])
    for secret in (b"secret", b"\0ann\0secret"):
        assert secret.decode() not in told
        assert base64.b64encode(secret).decode() not in told


def test_our_client_and_our_server_agree_on_tls_and_login(submission: Door) -> None:
    target = Target("127.0.0.1", submission.port, username="ann", password="secret")
    with connect(target, "client.test") as line:
        assert line.send("ann@here.test", ["b@away.test", "c@away.test"], RAW)[1].outcome == "sent"
    (arrival,) = submission.intake.arrivals
    assert (arrival.tls, arrival.recipients) == (True, ["b@away.test", "c@away.test"])
