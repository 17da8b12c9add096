"""C-03: only CRLF dot CRLF ends a message; what looks like it to others never makes a second one."""

import pytest

from tests.mail.smtp_door import Door
from webapp.mail import smtp_data, status

VARIANTS = {
    "LF.LF": b"\n.\n",
    "LF.CRLF": b"\n.\r\n",
    "CR.CR": b"\r.\r",
    "CR.CRLF": b"\r.\r\n",
    "CR.LF": b"\r.\n",
    "CRLF.CR": b"\r\n.\r",
    "CRLF.LF": b"\r\n.\n",
    "LF.CR": b"\n.\r",
    "CRLF.NUL CRLF": b"\r\n.\0\r\n",
    "CRLF NUL.CRLF": b"\r\n\0.\r\n",
    "NUL CRLF.CR NUL LF": b"\0\r\n.\r\0\n",
    "CR NUL LF.CRLF": b"\r\0\n.\r\n",
    "CRLF.CRCRLF": b"\r\n.\r\r\n",
    "CRCRLF.LF": b"\r\r\n.\n",
    "LFCR.LFCR": b"\n\r.\n\r",
    "CRLF..CRLF": b"\r\n..\r\n",
    "CRLF.blank CRLF": b"\r\n. \r\n",
    "CRLF blank.CRLF": b"\r\n .\r\n",
    "next line .": "\u0085.\u0085".encode(),
    "line separator .": "\u2028.\u2028".encode(),
    "vertical tab .": b"\v.\v",
}
HEAD = b"Subject: one\r\n\r\nfirst"
SECOND = b"MAIL FROM:<evil@there.test>\r\nRCPT TO:<victim@here.test>\r\nDATA\r\nSubject: two\r\n\r\nsmuggled\r\n.\r\n"
HARMLESS = [name for name, mark in VARIANTS.items() if mark.count(b"\r") == mark.count(b"\n") == mark.count(b"\r\n")]


@pytest.mark.parametrize("name", VARIANTS)
def test_c03_no_variant_of_the_end_mark_makes_two_messages(door: Door, name: str) -> None:
    with door.raw() as client:
        client.envelope()
        client.send(HEAD + VARIANTS[name] + SECOND)
        answer = client.reply()
        assert client.say(b"NOOP") == status.OK
    if name in HARMLESS:
        assert answer == status.stored_as(1)
        assert b"smuggled" in door.intake.arrivals[0].raw
    else:
        assert answer == status.BARE_LINE_END
        assert door.intake.arrivals == []
    assert ("sender", "evil@there.test") not in door.intake.asked


@pytest.mark.parametrize("name", VARIANTS)
def test_c03_a_trusted_sender_gets_one_message_with_clean_line_ends(trusting: Door, name: str) -> None:
    with trusting.raw() as client:
        client.envelope()
        client.send(HEAD + VARIANTS[name] + SECOND)
        assert client.reply() == status.stored_as(1)
        assert client.say(b"NOOP") == status.OK
    assert len(trusting.intake.arrivals) == 1
    raw = trusting.intake.arrivals[0].raw
    assert raw.count(b"\r") == raw.count(b"\n") == raw.count(b"\r\n")
    assert b"smuggled" in raw


@pytest.mark.parametrize("name", ["LF.CRLF", "CRLF.CR", "CRLF..CRLF"])
def test_c03_the_same_split_over_packets_at_every_byte(door: Door, name: str) -> None:
    """One byte in each write, so that every possible border between two packets is met."""
    with door.raw() as client:
        client.envelope()
        for byte in HEAD + VARIANTS[name] + SECOND:
            client.send(bytes([byte]))
        assert client.reply() == (status.stored_as(1) if name in HARMLESS else status.BARE_LINE_END)
        assert client.say(b"NOOP") == status.OK
    assert len(door.intake.arrivals) == (name in HARMLESS)


def test_c03_the_end_mark_is_found_wherever_two_packets_meet(door: Door) -> None:
    text = b"Subject: x\r\n\r\n..dot\r\n.\r\n"
    with door.raw() as client:
        for border in range(1, len(text)):
            client.envelope()
            client.send(text[:border])
            client.send(text[border:])
            assert client.reply() == status.stored_as(border)
    assert set(door.intake.bodies()) == {b"Subject: x\r\n\r\n.dot\r\n"}


def _read_in_two(stream: bytes, border: int) -> tuple[bytes, bytes]:
    """The message and what is left behind it, when the reader sees two packets."""
    reader, buffer = smtp_data.Body(10_000), bytearray()
    found: bytes | smtp_data.Refusal | None = None
    for piece in (stream[:border], stream[border:]):
        buffer += piece
        found = reader.feed(buffer) if found is None else found
    assert isinstance(found, bytes)
    return found, bytes(buffer)


@pytest.mark.parametrize("name", VARIANTS)
def test_c03_each_variant_split_at_each_byte_is_inside_the_message(name: str) -> None:
    stream = HEAD + VARIANTS[name] + SECOND
    whole = _read_in_two(stream, 0)
    assert whole[1] == b""
    assert b"smuggled" in whole[0]
    for border in range(1, len(stream)):
        assert _read_in_two(stream, border) == whole


@pytest.mark.parametrize("before", range(-6, 7))
def test_c03_the_end_mark_is_found_across_the_border_of_a_piece(before: int) -> None:
    """The reader takes pieces of 128 KB; the mark lies around the end of the second one."""
    with Door(max_bytes=1_000_000) as door, door.raw() as client:
        size = 2 * 128 * 1024 + before
        body = b"Subject: x\r\n\r\n" + b"y" * 60_000 + b"\r\n"
        body += b"z" * (size - len(body))
        client.envelope()
        client.send(body + b"\r\n.\r\n" + b"NOOP\r\n")
        assert client.replies(2) == [status.stored_as(1), status.OK]
        assert door.intake.bodies() == [body + b"\r\n"]


def test_c03_a_message_without_its_end_is_never_taken(door: Door) -> None:
    with door.raw() as client:
        client.envelope()
        client.send(HEAD + b"\r\n.")
    with door.raw() as client:
        client.envelope()
        client.send(HEAD + b"\r\n.\r\n")
        assert client.reply() == status.stored_as(1)
    assert len(door.intake.arrivals) == 1
