"""The source of a mail made ready to leave: CRLF alone, no Bcc, a Message-ID and a Date. Pure; bytes in, bytes out."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from webapp.mail.address import BadAddress, first_address, normalise
from webapp.mail.charsets import decode_words, one_line

#: fields that must not leave: blind copies (RFC 5322 section 3.6.3) and what only the last server writes (RFC 5321 section 4.4)
_STAY = (b"bcc", b"resent-bcc", b"return-path")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.S)
_LINE_END = re.compile(rb"\r\n|\r|\n")
#: longer ones are replaced: an index of PostgreSQL holds 2,704 bytes
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,600})>")


@dataclass(frozen=True)
class Source:
    """A mail that may leave.

    message_id  without angle brackets
    sender      address of the header From in normal form; empty when there is none
    """

    raw: bytes
    message_id: str
    sender: str
    subject: str


def prepare(raw: bytes, *, hostname: str, now: datetime) -> Source:
    """Make a mail ready: what is there stays byte for byte, but for line ends and the fields that must not leave.

    source  RFC 5322 section 2.3 (line ends), RFC 6409 section 8 (what a submission server may add)
    """
    head, body = _parts(_LINE_END.sub(b"\r\n", raw))
    fields = [field for field in _fields(head) if _name(field) not in _STAY]
    found = {_name(field): _value(field) for field in reversed(fields)}
    match = _MESSAGE_ID.search(_text(found.get(b"message-id", b"")))
    if match:
        message_id = match[1]
    else:
        message_id = new_message_id(hostname)
        fields = [field for field in fields if _name(field) != b"message-id"]
        fields.append(b"Message-ID: <%s>\r\n" % message_id.encode())
    if b"date" not in found:
        fields.append(b"Date: %s\r\n" % format_datetime(now).encode())
    return Source(
        raw=b"".join(fields) + b"\r\n" + body,
        message_id=message_id,
        sender=_address(found.get(b"from", b"")),
        subject=one_line(decode_words(_text(found.get(b"subject", b"")))).strip()[:998],
    )


def new_message_id(hostname: str) -> str:
    """Unique for ever, without angle brackets (RFC 5322 section 3.6.4)."""
    return f"{secrets.token_hex(16)}@{hostname}"


def _parts(raw: bytes) -> tuple[bytes, bytes]:
    if raw.startswith(b"\r\n"):
        return b"", raw[2:]
    head, gap, body = raw.partition(b"\r\n\r\n")
    if not gap and not head.endswith(b"\r\n"):
        head += b"\r\n"
    return (head + b"\r\n" if gap else head), body


def _fields(head: bytes) -> list[bytes]:
    """Each header field with its folded lines and line ends."""
    fields: list[bytes] = []
    for line in head.splitlines(keepends=True):
        if fields and line[:1] in (b" ", b"\t"):
            fields[-1] += line
        elif line.strip():
            fields.append(line)
    return fields


def _name(field: bytes) -> bytes:
    match = _FIELD.match(field)
    return match[1].lower() if match else b""


def _value(field: bytes) -> bytes:
    match = _FIELD.match(field)
    return match[2].replace(b"\r\n", b"").strip() if match else b""


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _address(value: bytes) -> str:
    _, address = first_address(_text(value))
    try:
        return normalise(address)
    except BadAddress:
        return ""
