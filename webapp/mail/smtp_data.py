"""The DATA reader and what belongs to it: bytes in, bytes out.

The message is looked for in the connection's buffer as a whole, not line by line, and only CRLF "." CRLF ends it (RELIABILITY C-03: no
variant of it ever does).
"""

import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

from webapp.mail import status
from webapp.mail.smtp_intake import SessionInfo

CHUNK = 128 * 1024
END = b"\r\n.\r\n"
#: a search for them costs less than `find`, which has to try each line
_END, _DOT = re.compile(rb"\r\n\.\r\n"), re.compile(rb"\n\.")
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


class Body:
    """One message on its way in. What is beyond `max_bytes` is read and thrown away, so memory stays bounded and the session goes on.

    feed(buffer)  takes from the front of the connection's buffer: the message up to its end mark with its dots unstuffed, why it was
                  refused, or None while the end is not there yet
    """

    __slots__ = ("dropped", "ends", "max_bytes", "scanned")

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.dropped, self.scanned = max_bytes, 0, 0
        self.ends = time.monotonic() + SLOWEST_S

    def feed(self, buffer: bytearray) -> bytes | Refusal | None:
        # The CRLF of the DATA line belongs to the end mark of an empty message.
        if not self.dropped and buffer.startswith(END[2:]):
            del buffer[:3]
            return b""
        end = _END.search(buffer, max(0, self.scanned - len(END) + 1))
        if end is not None:
            size = end.start() + 2
            del end  # it holds the buffer, which is about to be cut
            return self._cut(buffer, size)
        self.scanned = len(buffer)
        if time.monotonic() > self.ends:
            return Refusal(status.IDLE_TOO_LONG, lost=True)
        if self.dropped + len(buffer) > max(MOST_DRAINED, self.max_bytes):
            return Refusal(status.MESSAGE_TOO_BIG, lost=True)
        if len(buffer) > self.max_bytes + len(END):
            self.dropped += len(buffer) - len(END) + 1
            del buffer[: -len(END) + 1]
            self.scanned = len(buffer)
        return None

    def _cut(self, buffer: bytearray, size: int) -> bytes | Refusal:
        """Take the message of `size` bytes and the rest of its end mark."""
        if self.dropped + size > self.max_bytes:
            del buffer[: size + 3]
            return Refusal(status.MESSAGE_TOO_BIG)
        with memoryview(buffer) as view:
            body = bytes(view[:size])
        del buffer[: size + 3]
        if body.startswith(b"."):
            body = body[1:]
        if _DOT.search(body):
            body = body.replace(b"\r\n.", b"\r\n")
        return Refusal(status.HEADER_TOO_BIG) if _header_too_big(body) else body


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
    return f"{head}{only};\r\n\t{_date(int(now.timestamp()))}\r\n".encode()


@lru_cache(4)
def _date(second: int) -> str:
    """The date of a header, the same for all mails of one second."""
    return format_datetime(datetime.fromtimestamp(second, UTC))
