"""Writing delivery reports: a mail that was not delivered, or not yet, told to whoever sent it (RFC 3464, 3461, 6533, 3834). Pure.

    raw = write_report(Told("failed", "ada@acme.test", …), [Gone("bob@example.org", "5.1.1", "550 5.1.1 no such user", …)])

Three parts: sentences for people, fields for programs, and the header of the mail it is about. The envelope sender of a report is always
the null one (RFC 5321 section 4.5.5); `webapp.mail.bounce` reads what this writes.
"""

import base64
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Literal

from webapp.mail.bounce_class import status_in
from webapp.mail.mime_header import header_line, structured_line

#: bytes of the original's header that are sent back
MOST_HEADER = 32_768
#: characters of a foreign reply
MOST_REPLY = 500
#: RFC 3463: time is up; no answer from the host; other
EXPIRED, SILENT, OTHER = "4.4.7", "4.4.1", "5.0.0"
_SAFE_ID = re.compile(r"[!-;=?-~]{1,900}")
_BLANKS = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")


@dataclass(frozen=True)
class Gone:
    """One recipient and what was said about it.

    status    enhanced code (RFC 3463)
    said      the other server's reply with its code, or what went wrong in our words; `smtp` says which of the two
    host      who said it; empty when nobody was reached
    at        the last attempt
    until     of a delayed one: how long it is tried
    """

    recipient: str
    status: str
    said: str
    smtp: bool
    host: str = ""
    at: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Told:
    """What the report as a whole needs to know.

    action      `failed`, or `delayed`
    to          the envelope sender of the mail
    head        header block of the mail that it is about, as it left
    message_id  of that mail, without angle brackets
    """

    action: Literal["failed", "delayed"]
    to: str
    hostname: str
    date: datetime
    arrived: datetime
    subject: str
    message_id: str
    head: bytes


def status_of(code: int | None, said: str, *, expired: bool = False) -> str:
    """The enhanced status code for a reply: the one it names, else one made from its code, else what is known without a reply."""
    if code is None:
        return EXPIRED if expired else OTHER
    return status_in(said) or f"{code // 100}.0.0"


def write_report(told: Told, gone: Sequence[Gone]) -> bytes:
    """The report as bytes with CRLF line ends, 7-bit but for addresses with letters beyond ASCII."""
    boundary = f"report-{secrets.token_hex(16)}"
    words = "Not delivered" if told.action == "failed" else "Delayed"
    international = not all(row.recipient.isascii() for row in gone)
    top = [
        structured_line("From", f"Mail delivery <postmaster@{told.hostname}>"),
        structured_line("To", f"<{told.to}>"),
        header_line("Subject", f"{words}: {_line(told.subject) or '(no subject)'}"),
        structured_line("Date", format_datetime(told.date)),
        structured_line("Message-ID", f"<{secrets.token_hex(16)}@{told.hostname}>"),
        *(structured_line(name, f"<{told.message_id}>") for name in ("In-Reply-To", "References") if _SAFE_ID.fullmatch(told.message_id)),
        b"Auto-Submitted: auto-replied\r\n",
        b"MIME-Version: 1.0\r\n",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"\r\n'.encode(),
        b"\r\n",
    ]
    parts = [
        _part("text/plain; charset=utf-8", _sentences(told, gone), "Notification"),
        _status_part(_fields(told, gone, international), international),
        _part("text/rfc822-headers; charset=utf-8", _head(told.head), "Header of the mail"),
    ]
    limit = f"--{boundary}".encode()
    return b"".join(top) + b"".join(limit + b"\r\n" + part for part in parts) + limit + b"--\r\n"


def _sentences(told: Told, gone: Sequence[Gone]) -> bytes:
    """What happened, why, and what to do, for people."""
    whom = "this recipient" if len(gone) == 1 else f"these {len(gone):,} recipients"
    subject = _line(told.subject) or "(no subject)"
    if told.action == "failed":
        first = f'Your mail "{subject}" could not be delivered to {whom}:'
        last = "It is not tried again. Check the address, or reach the recipient in another way."
    else:
        first = f'Your mail "{subject}" has not reached {whom} yet:'
        until = max((row.until for row in gone if row.until is not None), default=None)
        ends = f" until {until:%d %B %Y, %H:%M} UTC" if until else ""
        last = f"You need not do anything: it is tried again by itself{ends}. If that fails as well, you get another report."
    lines = [first, ""]
    for row in gone:
        by = f" ({_line(row.host)})" if row.host else ""
        lines += [f"  {row.recipient}", f"    {_line(row.said)}{by}", ""]
    return "\r\n".join([*lines, last, "", f"This report was written by {told.hostname}.", ""]).encode()


def _fields(told: Told, gone: Sequence[Gone], international: bool) -> bytes:
    """The fields for programs: one block for the mail, one for each recipient (RFC 3464 section 2)."""
    blocks = [[f"Reporting-MTA: dns; {told.hostname}", f"Arrival-Date: {format_datetime(told.arrived)}"]]
    kind = "utf-8" if international else "rfc822"
    for row in gone:
        block = [
            f"Original-Recipient: {kind}; {row.recipient}", f"Final-Recipient: {kind}; {row.recipient}", f"Action: {told.action}",
            f"Status: {row.status}",
        ]  # fmt: skip
        if row.host:
            block.append(f"Remote-MTA: dns; {_line(row.host)}")
        block.append(f"Diagnostic-Code: {'smtp' if row.smtp else 'X-Mailroom'}; {_plain(row.said)}")
        if row.at is not None:
            block.append(f"Last-Attempt-Date: {format_datetime(row.at)}")
        if row.until is not None and told.action == "delayed":
            block.append(f"Will-Retry-Until: {format_datetime(row.until)}")
        blocks.append(block)
    return "\r\n\r\n".join("\r\n".join(block) for block in blocks).encode() + b"\r\n"


def _plain(text: str) -> str:
    """Of a foreign text what a field may hold: one line of ASCII."""
    return _line(text).encode("ascii", "replace").decode()


def _line(text: str) -> str:
    return _BLANKS.sub(" ", text).strip()[:MOST_REPLY]


def _head(head: bytes) -> bytes:
    """The header block, ended where it gets too long, at the end of a line."""
    kept = head if len(head) <= MOST_HEADER else head[: head.rfind(b"\r\n", 0, MOST_HEADER) + 2]
    return kept.rstrip(b"\r\n") + b"\r\n"


def _status_part(content: bytes, international: bool) -> bytes:
    kind = "message/global-delivery-status" if international else "message/delivery-status"
    coding = b"Content-Transfer-Encoding: 8bit\r\n" if international else b""
    return f"Content-Type: {kind}\r\nContent-Description: Delivery report\r\n".encode() + coding + b"\r\n" + content + b"\r\n"


def _part(kind: str, content: bytes, description: str) -> bytes:
    """A part for people; in base64 when it is not plain 7-bit text in short lines."""
    head = f"Content-Type: {kind}\r\nContent-Description: {description}\r\n".encode()
    if content.isascii() and b"\0" not in content and all(len(line) < 900 for line in content.split(b"\r\n")):
        return head + b"\r\n" + content + b"\r\n"
    lines = base64.encodebytes(content).replace(b"\n", b"\r\n")
    return head + b"Content-Transfer-Encoding: base64\r\n\r\n" + lines + b"\r\n"
