"""The DATA reader and what belongs to it: bytes in, bytes out.

aiosmtpd reads DATA line by line, one millisecond for 50 KB; searching the buffer for the end mark is several times faster, and only
CRLF "." CRLF ends a message (RELIABILITY C-03: no variant of it ever does).
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from webapp.mail import status

log = logging.getLogger("mailroom.smtp")
CHUNK = 128 * 1024
END = b"\r\n.\r\n"
SLOWEST_S = 1800.0
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
LINE_END = re.compile(rb"\r\n|\r|\n")


async def read_message(reader: asyncio.StreamReader, max_bytes: int, still_here: Callable[[], None]) -> bytes | str:
    """The message up to its end mark, dots unstuffed; or the reply for one that is too big or too slow.

    What is beyond `max_bytes` is read and thrown away, so memory stays bounded and the session goes on.
    still_here  called after each piece, resets the idle time-out
    """
    pieces: list[bytes] = []
    size, too_big, ends = 0, False, time.monotonic() + SLOWEST_S
    # The CRLF of the DATA line belongs to the end mark of an empty message, so the search starts with one.
    await _wait_for(reader, 3)
    _unread(reader, b"\r\n")
    while True:
        try:
            piece = await reader.readuntil(END)
            done = True
        except asyncio.LimitOverrunError as more:
            piece = await reader.readexactly(more.consumed)
            done = False
        still_here()
        size += len(piece)
        too_big = too_big or size > max_bytes + 5
        if too_big:
            pieces = []
        else:
            pieces.append(piece)
        if done:
            break
        if time.monotonic() > ends:
            return status.IDLE_TOO_LONG
    if too_big:
        return status.MESSAGE_TOO_BIG
    body = b"".join(pieces)[:-3]
    return body.replace(b"\r\n.", b"\r\n")[2:]


async def _wait_for(reader: asyncio.StreamReader, number: int) -> None:
    """Wait until there is something to read, without reading it."""
    piece = await reader.readexactly(number)
    _unread(reader, piece)


def _unread(reader: asyncio.StreamReader, data: bytes) -> None:
    """Put bytes back in front. StreamReader has no public way; its buffer has been this bytearray since Python 3.4."""
    reader._buffer[0:0] = data  # type: ignore[attr-defined]


def has_bare_line_end(body: bytes) -> bool:
    """Whether a CR or LF stands alone (RFC 5321 section 2.3.8). Counting finds the usual case without a regular expression."""
    pairs = body.count(b"\r\n")
    return body.count(b"\r") != pairs or body.count(b"\n") != pairs


def with_crlf(body: bytes) -> bytes:
    return LINE_END.sub(b"\r\n", body)


def split_path(arg: str) -> tuple[str | None, str | None]:
    """`<path> parameters` as (address, parameters); (None, None) for what is no path. Source routes are dropped (RFC 5321 appendix C).

    The null path comes back as `<>`.
    """
    text = arg.strip()
    if any("\ud800" <= char <= "\udfff" for char in text):
        return None, None
    if not text.startswith("<"):
        path, _, rest = text.partition(" ")
        return (path or None), rest.strip()
    quoted = escaped = False
    for index, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\" and quoted:
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char == ">" and not quoted:
            path, rest = text[1:index].strip(), text[index + 1 :]
            if rest and not rest.startswith(" "):
                return None, None
            if path.startswith("@"):
                path = path.partition(":")[2].strip()
                if not path:
                    return None, None
            return (path or "<>"), rest.strip()
    return None, None


def printable(text: str, most: int) -> str:
    """Text of the client that may stand in a header of ours."""
    return "".join(char if char.isascii() and char.isprintable() and char not in "()<>;\\\"" else "?" for char in text)[:most]


def received_line(info: Any, hostname: str, now: datetime, extended: bool, recipients: list[str]) -> bytes:
    """Our Received header (RFC 5321 section 4.4); it names the recipient only when there is one."""
    protocol = "SMTP"
    if extended:
        protocol = "ESMTP" + ("S" if info.tls else "") + ("A" if info.login else "")
    only = f"\r\n\tfor <{recipients[0]}>" if len(recipients) == 1 and recipients[0].isascii() and recipients[0].isprintable() else ""
    line = f"Received: from {info.helo or 'unknown'} ([{info.ip}])\r\n\tby {hostname} with {protocol} id {secrets.token_hex(8)}{only};\r\n\t{format_datetime(now)}\r\n"
    return line.encode()
