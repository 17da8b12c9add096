"""Limits: size while it streams, with bounded memory (C-06); idle, slow and many connections (C-13); stopping."""

import asyncio
import gc
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.mail.smtp_door import Door
from tests.servers import wait_until
from webapp.mail import smtp_data, smtp_wire, status

MB = 1024 * 1024


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / MB


def test_c06_a_stream_of_300_mb_is_refused_and_takes_no_memory() -> None:
    piece = (b"x" * 998 + b"\r\n") * 1000
    with Door(max_bytes=5 * MB) as door, door.raw() as client:
        client.envelope()
        gc.collect()
        before = _resident_mb()
        peak = before
        for _ in range(300):
            client.send(piece)
            peak = max(peak, _resident_mb())
        assert client.say(b".") == status.MESSAGE_TOO_BIG
        client.envelope()
        assert client.say(b"small\r\n.") == status.stored_as(1)
    assert peak - before < 40
    assert len(door.intake.arrivals) == 1


def test_c06_one_endless_line_is_refused_and_takes_no_memory() -> None:
    piece = b"x" * MB
    with Door(max_bytes=5 * MB) as door, door.raw() as client:
        client.envelope()
        before = peak = _resident_mb()
        for _ in range(60):
            client.send(piece)
            peak = max(peak, _resident_mb())
        assert client.say(b"\r\n.") == status.MESSAGE_TOO_BIG
    assert peak - before < 40


def test_c06_what_never_ends_is_cut_off_with_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_data, "MOST_DRAINED", 3 * MB)
    with Door() as door, door.raw() as client:
        client.envelope()
        client.send(b"x" * (3 * MB + 200_000))
        assert client.reply() == status.MESSAGE_TOO_BIG
        assert client.reply() == ""
        wait_until(lambda: not door.rules.connections, "the end of the connection")


def test_c06_who_takes_too_long_is_cut_off_and_the_rest_is_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_data, "SLOWEST_S", -1.0)
    with Door(max_bytes=MB) as door, door.raw() as client:
        client.envelope()
        client.send(b"MAIL FROM:<evil@x.test>\r\n" * 6000)
        assert client.reply() == status.IDLE_TOO_LONG
        assert client.reply() == ""
    assert ("sender", "evil@x.test") not in door.intake.asked


@pytest.mark.parametrize("extra", [0, 1])
def test_c06_the_limit_is_exact(extra: int) -> None:
    with Door(max_bytes=5000) as door, door.raw() as client:
        client.envelope()
        client.send(b"\r\n" + b"x" * (4996 + extra) + b"\r\n.\r\n")
        assert client.reply() == (status.MESSAGE_TOO_BIG if extra else status.stored_as(1))


@pytest.mark.parametrize("header", [b"X-A: " + b"b" * (4 * MB + 1), b"a:b\r\n" * 10_010, b"To: x\r\n" + b" y\r\n" * 1_100_000])
def test_c06_a_header_beyond_all_need_is_refused(header: bytes) -> None:
    with Door(max_bytes=20 * MB) as door, door.raw() as client:
        client.envelope()
        client.send(header + b"\r\n\r\nbody\r\n.\r\n")
        assert client.reply() == status.HEADER_TOO_BIG


def test_c06_a_header_with_50000_recipients_on_lines_of_their_own_is_taken() -> None:
    with Door(max_bytes=20 * MB) as door, door.raw() as client:
        client.envelope()
        client.send(b"To: x@x.test" + b",\r\n Person <person@example.test>" * 50_000 + b"\r\n\r\nbody\r\n.\r\n")
        assert client.reply() == status.stored_as(1)


def test_c06_a_long_body_behind_a_usual_header_is_fine() -> None:
    with Door(max_bytes=20 * MB) as door, door.raw() as client:
        client.envelope()
        client.send(b"Subject: x\r\n\r\n" + b"a:b\r\n" * 400_000 + b".\r\n")
        assert client.reply() == status.stored_as(1)


def test_c06_a_command_of_64_kb_is_refused_and_the_session_goes_on(door: Door) -> None:
    with door.raw() as client:
        assert client.say(b"MAIL FROM:<" + b"a" * 65536 + b"@x.test>") == status.COMMAND_TOO_LONG
        assert client.say(b"NOOP " + b"a" * 2041) == status.OK
        assert client.say(b"NOOP " + b"a" * 2042) == status.COMMAND_TOO_LONG
        assert client.say(b"MAIL FROM:<a@x.test>") == status.SENDER_OK


def test_c06_an_endless_command_ends_the_connection(door: Door) -> None:
    with door.raw() as client:
        client.send(b"MAIL FROM:<" + b"a" * 200_000)
        assert client.reply() == status.COMMAND_TOO_LONG
        assert client.reply() == ""


def test_c06_recipients_beyond_a_thousand_are_put_off_and_the_rest_is_taken(door: Door) -> None:
    with door.raw() as client:
        client.say(b"MAIL FROM:<a@x.test>")
        for start in range(0, 3000, 500):
            client.send(b"".join(b"RCPT TO:<b%d@here.test>\r\n" % number for number in range(start, start + 500)))
            expected = status.RECIPIENT_OK if start < 1000 else status.TOO_MANY_RECIPIENTS
            assert set(client.replies(500)) == {expected}
        client.say(b"DATA")
        assert client.say(b"x\r\n.") == status.stored_as(1)
    assert len(door.intake.arrivals[0].recipients) == 1000


def test_c13_connections_of_one_address_are_capped_and_counted_down() -> None:
    with Door(per_ip_connections=3) as door:
        held = [door.raw() for _ in range(3)]
        with door.raw(hello=False) as client:
            assert client.reply() == status.TOO_MANY_CONNECTIONS
            assert client.reply() == ""
        with door.raw(hello=False, source="127.0.0.2") as client:
            assert client.reply().startswith("220 ")
        held.pop().__exit__()
        wait_until(lambda: door.rules.connections.get("127.0.0.1") == 2, "two connections")
        with door.raw(hello=False) as client:
            assert client.reply().startswith("220 ")
        for client in held:
            client.__exit__()
        wait_until(lambda: door.rules.connections == {}, "no connections")


def test_c13_mail_gets_through_among_three_hundred_idle_connections() -> None:
    with Door(per_ip_connections=100) as door:
        idle = [door.raw(hello=False, source=f"127.0.0.{2 + number % 6}") for number in range(300)]
        started = time.monotonic()
        with door.raw() as client:
            client.envelope()
            assert client.say(b"x\r\n.") == status.stored_as(1)
        assert time.monotonic() - started < 2
        for other in idle:
            other.__exit__()


def test_c13_an_idle_client_is_told_and_cut_off() -> None:
    with Door(idle_s=0.2) as door, door.raw() as client:
        assert client.reply() == status.IDLE_TOO_LONG
        assert client.reply() == ""
        wait_until(lambda: not door.rules.connections, "the end of the connection")


@pytest.mark.parametrize("within", ["command", "data"])
def test_c13_one_byte_at_a_time_does_not_hold_a_connection(within: str) -> None:
    with Door(idle_s=0.3) as door, door.raw() as client:
        if within == "data":
            client.envelope()
        with pytest.raises(OSError):
            for _ in range(200):
                client.send(b"x")
                time.sleep(0.02)
        assert not door.rules.connections


def test_c13_a_client_that_never_reads_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_wire, "LINGER_S", 0.1)
    with Door(idle_s=0.3) as door, door.raw(hello=False) as client:
        client.socket.settimeout(1)

        def shout() -> None:
            client.send(b"HELP\r\n" * 3_000_000)

        with pytest.raises(OSError):
            shout()
        wait_until(lambda: not door.rules.connections, "the end of the connection")


def test_stop_lets_a_message_finish_and_sends_the_rest_away(door: Door) -> None:
    with door.raw() as writing, door.raw() as waiting:
        writing.envelope()
        writing.send(b"Subject: x\r\n\r\nhalf")
        stopping = asyncio.run_coroutine_threadsafe(door.listener.stop(5), door.loop)
        assert waiting.reply() == status.SHUTTING_DOWN
        assert waiting.reply() == ""
        with pytest.raises(ConnectionRefusedError):
            door.raw()
        assert writing.say(b" whole\r\n.") == status.stored_as(1)
        assert writing.reply() == ""
        stopping.result(3)
    assert door.intake.bodies() == [b"Subject: x\r\n\r\nhalf whole\r\n"]


def test_stop_waits_for_the_commit(door: Door) -> None:
    entered, go_on = threading.Event(), asyncio.Event()

    async def wait() -> None:
        entered.set()
        await go_on.wait()

    door.intake.before_storing = wait
    with door.raw() as client:
        client.envelope()
        client.send(b"x\r\n.\r\nNOOP\r\n")
        assert entered.wait(5)
        stopping = asyncio.run_coroutine_threadsafe(door.listener.stop(5), door.loop)
        door.loop.call_soon_threadsafe(go_on.set)
        assert client.reply() == status.stored_as(1)
        assert client.reply() == ""
        stopping.result(3)


def test_stop_does_not_wait_for_ever(door: Door) -> None:
    with door.raw() as client:
        client.envelope()
        started = time.monotonic()
        door.run(door.listener.stop(0.3))
        assert 0.2 < time.monotonic() - started < 3
        assert client.reply() == ""
    wait_until(lambda: not door.listener.live, "the end of the connection")
    assert door.intake.arrivals == []


def test_stop_is_not_held_up_by_a_client_that_never_reads() -> None:
    with Door() as door, door.raw(hello=False) as client:
        client.socket.settimeout(0.3)
        with pytest.raises(OSError):
            client.send(b"HELP\r\n" * 3_000_000)
        started = time.monotonic()
        door.run(door.listener.stop(0.3))
        assert time.monotonic() - started < 3
        wait_until(lambda: not door.listener.live, "the end of the connection")


def test_a_client_that_leaves_within_data_is_forgotten(door: Door, caplog: Any) -> None:
    with door.raw() as client:
        client.envelope()
        client.send(b"Subject: x\r\n\r\nhalf\r\n")
    wait_until(lambda: not door.rules.connections, "the end of the connection")
    assert door.intake.arrivals == []
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]
