"""The DATA reader and what belongs to it: bytes in, bytes out.

aiosmtpd reads DATA line by line, one millisecond for 50 KB; searching the buffer for the end mark is several times faster, and only
CRLF "." CRLF ends a message (RELIABILITY C-03: no variant of it ever does).
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from webapp.mail import status
from webapp.mail.smtp_intake import SessionInfo

CHUNK = 128 * 1024
END = b"\r\n.\r\n"
SLOWEST_S = 1800.0
#: What is too big is read to its end, so that the sender hears the reply, but not beyond this.
MOST_DRAINED = 1024 * 1024 * 1024
#: 50,000 recipients in one To fit; readers go no further than they like and say so.
MOST_HEADER_BYTES = 4 * 1024 * 1024
MOST_HEADER_FIELDS = 10_000


@dataclass(frozen=True)
class Refusal:
    """The message was not taken. `lost`: its end was not read, so nothing that follows may be taken for a command."""

    reply: str
    lost: bool = False


async def read_message(reader: asyncio.StreamReader, max_bytes: int, still_here: Callable[[], None]) -> bytes | Refusal:
    """The message up to its end mark, dots unstuffed; or why it was refused.

    What is beyond `max_bytes` is read and thrown away, so memory stays bounded and the session goes on.
    still_here  called after each piece of up to 128 KB, resets the idle time-out
    raises      asyncio.IncompleteReadError when the connection ends before the message
    """
    pieces: list[bytes] = []
    size, ends = 0, time.monotonic() + SLOWEST_S
    # The CRLF of the DATA line belongs to the end mark of an empty message, so the search starts with one.
    # It is put in front of bytes that are there already: the shortest message is the three of its end mark.
    _unread(reader, b"\r\n" + await reader.readexactly(3))
    while True:
        try:
            piece = await reader.readuntil(END)
            done = True
        except asyncio.LimitOverrunError as more:
            piece = await reader.readexactly(more.consumed)
            done = False
        still_here()
        size += len(piece)
        if size <= max_bytes + len(END):
            pieces.append(piece)
        else:
            pieces.clear()
        if done:
            break
        if time.monotonic() > ends:
            return Refusal(status.IDLE_TOO_LONG, lost=True)
        if size > max(MOST_DRAINED, max_bytes):
            return Refusal(status.MESSAGE_TOO_BIG, lost=True)
    if not pieces:
        return Refusal(status.MESSAGE_TOO_BIG)
    pieces[-1] = pieces[-1][:-3]
    body = b"".join(pieces)
    pieces.clear()
    body = body.replace(b"\r\n.", b"\r\n")[2:]
    return Refusal(status.HEADER_TOO_BIG) if _header_too_big(body) else body


def _unread(reader: asyncio.StreamReader, data: bytes) -> None:
    """Put bytes back in front. StreamReader has no public way; its buffer has been this bytearray since Python 3.4."""
    reader._buffer[0:0] = data  # type: ignore[attr-defined]


def _header_too_big(body: bytes) -> bool:
    """Whether the header block is beyond what any mail needs (RELIABILITY C-06). Folded lines are part of their field."""
    end = body.find(b"\r\n\r\n", 0, MOST_HEADER_BYTES)
    if end < 0:
        return len(body) > MOST_HEADER_BYTES
    folds = body.count(b"\n ", 0, end) + body.count(b"\n\t", 0, end)
    return body.count(b"\n", 0, end) - folds > MOST_HEADER_FIELDS


def printable(text: str, most: int) -> str:
    """Text of the client that may stand in a header of ours."""
    return "".join(char if char.isascii() and char.isprintable() and char not in '()<>;\\"' else "?" for char in text)[:most]


def received_line(info: SessionInfo, hostname: str, now: datetime, *, extended: bool, utf8: bool, recipients: list[str]) -> bytes:
    """Our Received header (RFC 5321 section 4.4, RFC 3848, RFC 6531 section 4.3); it names the recipient only when there is one."""
    protocol = "SMTP"
    if extended:
        protocol = ("UTF8SMTP" if utf8 else "ESMTP") + ("S" if info.tls else "") + ("A" if info.login else "")
    address = f"[IPv6:{info.ip}]" if ":" in info.ip else f"[{info.ip}]"
    only = ""
    if len(recipients) == 1 and len(recipients[0]) < 320 and recipients[0].isascii() and recipients[0].isprintable():
        only = f"\r\n\tfor <{recipients[0]}>"
    head = f"Received: from {info.helo or 'unknown'} ({address})\r\n\tby {hostname} with {protocol} id {secrets.token_hex(8)}"
    return f"{head}{only};\r\n\t{format_datetime(now)}\r\n".encode()
