"""C-24: the zoo of replies, each in its right class; C-23: what may have been taken is uncertain, nothing else is."""

import contextlib
import socket
import threading
import time

import pytest

from tests.mail.smtp_peer import RAW, Peer, Step, hang_up, reset, say_and_hang_up, silence
from webapp.mail import smtp_out
from webapp.mail.smtp_out import ConnectFailed, SendResult

#: name, what the server does, outcome, code
ZOO: list[tuple[str, dict[str, Step], str, int | None]] = [
    ("all well", {}, "sent", 250),
    ("greylisted at RCPT", {"rcpt": b"450 4.2.0 greylisted\r\n"}, "retry", 450),
    ("full at RCPT", {"rcpt": b"452 4.2.2 mailbox full\r\n"}, "retry", 452),
    ("unknown at RCPT", {"rcpt": b"550 5.1.1 who\r\n"}, "failed", 550),
    ("permanent with a transient text", {"rcpt": b"550 4.7.1 greylisted\r\n"}, "failed", 550),
    ("transient with a permanent text", {"rcpt": b"451 5.7.1 never\r\n"}, "retry", 451),
    ("521 at RCPT", {"rcpt": b"521 no mail\r\n"}, "failed", 521),
    ("will forward", {"rcpt": b"251 2.1.5 will forward\r\n"}, "sent", 250),
    ("cannot verify", {"rcpt": b"252 2.1.5 perhaps\r\n"}, "sent", 250),
    ("421 at MAIL", {"mail": b"421 4.7.0 slow down\r\n"}, "retry", 421),
    ("421 at MAIL and gone", {"mail": say_and_hang_up(b"421 4.7.0 slow down\r\n")}, "retry", 421),
    ("421 at RCPT and gone", {"rcpt": say_and_hang_up(b"421 4.7.0 slow down\r\n")}, "retry", 421),
    ("421 at DATA", {"data": b"421 4.3.2 stopping\r\n"}, "retry", 421),
    ("421 after the dot", {"dot": b"421 4.3.2 stopping\r\n"}, "retry", 421),
    ("sender refused", {"mail": b"550 5.7.1 not you\r\n"}, "failed", 550),
    ("sender put off", {"mail": b"451 4.4.3 no DNS\r\n"}, "retry", 451),
    ("DATA refused", {"data": b"554 5.5.1 no valid recipients\r\n"}, "failed", 554),
    ("DATA put off", {"data": b"451 4.3.0 later\r\n"}, "retry", 451),
    ("body refused", {"dot": b"554 5.7.1 spam\r\n"}, "failed", 554),
    ("too big", {"dot": b"552 5.3.4 too big\r\n"}, "failed", 552),
    ("body put off", {"dot": b"451 4.7.0 later\r\n"}, "retry", 451),
    ("several lines", {"rcpt": b"550-5.1.1 line one\r\n550-5.1.1 line two\r\n550 5.1.1 line three\r\n"}, "failed", 550),
    ("code alone", {"dot": b"250\r\n"}, "sent", 250),
    ("LF alone", {"dot": b"250 ok\n"}, "sent", 250),
    ("junk in the text", {"rcpt": b"550 \xff\xfe\0\x1b[31m\r\n"}, "failed", 550),
    ("junk at MAIL", {"mail": b"\xff\xfe\0\1\2\r\n"}, "retry", None),
    ("junk at RCPT", {"rcpt": b"HTTP/1.1 400 Bad Request\r\n"}, "retry", None),
    ("junk after the dot", {"dot": b"\x15\x03\x01\r\n"}, "uncertain", None),
    ("a class that is none", {"rcpt": b"650 what\r\n"}, "retry", None),
    ("354 after the dot", {"dot": b"354 more\r\n"}, "uncertain", 354),
    ("354 at MAIL", {"mail": b"354 go\r\n"}, "retry", None),
    ("354 at RCPT", {"rcpt": b"354 go\r\n"}, "retry", 354),
    ("250 at DATA", {"data": b"250 ok\r\n"}, "retry", None),
    ("an endless line at RCPT", {"rcpt": b"550 " + b"x" * 100_000}, "retry", None),
    ("an endless reply at RCPT", {"rcpt": b"550-no\r\n" * 20_000}, "retry", None),
    ("gone at MAIL", {"mail": hang_up}, "retry", None),
    ("gone at RCPT", {"rcpt": hang_up}, "retry", None),
    ("reset at RCPT", {"rcpt": reset}, "retry", None),
    ("gone at DATA", {"data": hang_up}, "retry", None),
    ("gone after the dot", {"dot": hang_up}, "uncertain", None),
    ("reset after the dot", {"dot": reset}, "uncertain", None),
    ("half a reply after the dot", {"dot": say_and_hang_up(b"250 2.0.0 o")}, "uncertain", None),
    ("two replies to RCPT", {"rcpt": b"250 ok\r\n250 ok\r\n"}, "retry", None),
    ("taken before it was sent", {"data": b"354 go\r\n250 2.0.0 taken\r\n"}, "retry", None),
]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(("name", "steps", "outcome", "code"), ZOO, ids=[row[0] for row in ZOO])
def test_c24_each_reply_has_its_class(name: str, steps: dict[str, Step], outcome: str, code: int | None, pipelining: bool) -> None:
    ehlo = {} if pipelining else {"ehlo": b"250 peer.test\r\n"}
    with Peer(**ehlo, **steps) as peer:
        (result,) = peer.send()
    assert (result.recipient, result.outcome, result.code) == ("b@y.test", outcome, code)
    assert result.text
    assert result.text.isprintable()
    if outcome in ("sent", "uncertain"):
        assert peer.bodies == [RAW + b".\r\n"]


@pytest.mark.parametrize(
    ("banner", "outcome", "code"),
    [
        (b"421 4.3.2 busy\r\n", "retry", 421),
        (b"450 4.3.2 busy\r\n", "retry", 450),
        (b"554 no service\r\n", "failed", 554),
        (b"250 ok\r\n", "retry", 250),
        (b"\x00\xff\xfe binary\r\n", "retry", None),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "retry", None),
        (b"220 " + b"x" * 8_000_000 + b"\r\n", "retry", None),
        (b"220-welcome\r\n" * 600_000, "retry", None),
        (hang_up, "retry", None),
        (reset, "retry", None),
        (silence, "retry", None),
    ],
)
def test_c24_each_greeting_ends_in_a_clear_refusal(banner: Step, outcome: str, code: int | None) -> None:
    def shout(connection: socket.socket) -> bool:
        with contextlib.suppress(OSError):
            connection.sendall(banner)  # type: ignore[arg-type]
        return True

    with Peer(banner=shout if isinstance(banner, bytes) else banner) as peer:
        started = time.monotonic()
        with pytest.raises(ConnectFailed) as failed:
            peer.connect(timeout_s=0.5 if banner is silence else 5.0)
        assert time.monotonic() - started < 3
    assert (failed.value.outcome, failed.value.code) == (outcome, code)
    assert failed.value.dialogue[0] == f"-- connect 127.0.0.1:{peer.listener.port}"
    assert sum(len(line) for line in failed.value.dialogue) < 10_000


def test_a_greeting_of_many_lines_is_fine() -> None:
    with Peer(banner=b"220-one\r\n" * 100 + b"220 peer.test\r\n") as peer:
        assert peer.send()[0].outcome == "sent"


def test_a_server_without_ehlo_is_greeted_with_helo() -> None:
    with Peer(ehlo=b"502 5.5.1 what\r\n") as peer:
        assert peer.send(raw="grüße\r\n".encode())[0].outcome == "sent"
    assert peer.commands[:4] == ["EHLO client.test", "HELO client.test", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>"]


def test_nobody_there_is_a_refusal_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ConnectFailed) as failed:
        smtp_out.connect(smtp_out.Target("127.0.0.1", port), "client.test")
    assert failed.value.outcome == "retry"
    assert "refused" in failed.value.text


@pytest.mark.parametrize("pipelining", [True, False])
def test_some_recipients_refused_the_others_served(pipelining: bool) -> None:
    rcpt: list[Step] = [b"250 ok\r\n", b"550 5.1.1 who\r\n", b"450 4.2.0 later\r\n", b"250 ok\r\n"]
    ehlo = {} if pipelining else {"ehlo": b"250 peer.test\r\n"}
    with Peer(rcpt=rcpt, dot=b"250 2.0.0 queued as 7\r\n", **ehlo) as peer:
        noted: list[list[str]] = []
        with peer.connect() as line:
            results = line.send("a@x.test", ["1@y.test", "2@y.test", "3@y.test", "4@y.test"], RAW, on_wire=noted.append)
    assert [(result.recipient[0], result.outcome, result.code) for result in results] == [
        ("1", "sent", 250), ("2", "failed", 550), ("3", "retry", 450), ("4", "sent", 250),
    ]  # fmt: skip
    assert noted == [["1@y.test", "4@y.test"]]
    assert results[0].text == "250 2.0.0 queued as 7"
    assert len(peer.bodies) == 1


def test_c23_only_accepted_recipients_are_uncertain_when_the_last_reply_is_lost() -> None:
    with Peer(rcpt=[b"250 ok\r\n", b"550 5.1.1 who\r\n", b"250 ok\r\n"], dot=hang_up) as peer:
        results = peer.send("1@y.test", "2@y.test", "3@y.test")
    assert [result.outcome for result in results] == ["uncertain", "failed", "uncertain"]


def test_c23_a_server_that_is_silent_after_the_dot_leaves_doubt() -> None:
    with Peer(dot=silence) as peer:
        started = time.monotonic()
        (result,) = peer.send(timeout_s=0.2)
        assert 0.7 < time.monotonic() - started < 3
    assert (result.outcome, result.code) == ("uncertain", None)
    assert "in time" in result.text


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
def test_c23_a_server_that_is_silent_before_the_body_leaves_none(step: str) -> None:
    with Peer(**{step: silence}) as peer:
        (result,) = peer.send(timeout_s=0.3)
    assert (result.outcome, result.code) == ("retry", None)


def test_c23_a_body_that_was_not_written_to_its_end_leaves_no_doubt() -> None:
    """The server stops reading in the middle: the final dot never left, so the mail may go again."""
    stopped = threading.Event()

    def stop_reading(connection: socket.socket) -> bool:
        connection.sendall(b"354 go\r\n")
        stopped.wait(5)
        return False

    with Peer(data=stop_reading) as peer:
        (result,) = peer.send(raw=b"x" * 998 + b"\r\n" + b"y\r\n" * 10_000_000, timeout_s=0.5)
        stopped.set()
    assert (result.outcome, result.code) == ("retry", None)


def test_a_refusal_in_the_middle_of_the_body_is_heard() -> None:
    def refuse(connection: socket.socket) -> bool:
        connection.sendall(b"354 go\r\n")
        connection.recv(1000)
        connection.sendall(b"552 5.3.4 too big for us\r\n")
        connection.shutdown(socket.SHUT_RD)
        return False

    with Peer(data=refuse) as peer:
        (result,) = peer.send(raw=b"x\r\n" * 10_000_000)
    assert (result.outcome, result.code, result.text) == ("failed", 552, "552 5.3.4 too big for us")


def test_missing_replies_of_a_pipeline_are_no_success() -> None:
    with Peer(rcpt=[b"250 ok\r\n", silence, b"250 ok\r\n"]) as peer:
        results = peer.send("1@y.test", "2@y.test", "3@y.test", timeout_s=0.3)
    assert {(result.outcome, result.code) for result in results} == {("retry", None)}
    assert peer.bodies == []


def test_one_reply_too_many_ends_the_session_before_anything_is_sent() -> None:
    with Peer(rcpt=[b"250 ok\r\n", b"550 no\r\n250 ok\r\n", b"250 ok\r\n"]) as peer, peer.connect() as line:
        results = line.send("a@x.test", ["1@y.test", "2@y.test", "3@y.test"], RAW)
        assert line.broken
    assert results[0].outcome == "retry"
    assert peer.bodies == []


def test_four_hundred_recipients_go_in_one_message() -> None:
    names = [f"r{number}@y.test" for number in range(400)]
    with Peer() as peer:
        assert {result.outcome for result in peer.send(*names)} == {"sent"}
    assert peer.verbs() == ["EHLO", "MAIL", *["RCPT"] * 400, "DATA", "QUIT"]


def test_what_the_note_raises_ends_the_session_before_the_body() -> None:
    def fail(accepted: list[str]) -> None:
        raise KeyError("the ledger is away")

    with Peer() as peer, peer.connect() as line:
        with pytest.raises(KeyError):
            line.send("a@x.test", ["b@y.test"], RAW, on_wire=fail)
        assert line.broken
        assert _only(line.send("a@x.test", ["b@y.test"], RAW)).outcome == "retry"
    assert peer.bodies == [b""]


def _only(results: list[SendResult]) -> SendResult:
    (result,) = results
    return result
