"""The mail between actions: bytes that become a `MailView`, and the changes that actions make to them. Pure.

The state of a run is the whole source; after each action that changed it the new source is stored (`messages.store.store_raw`), so a
worker that takes over sees exactly what the finished actions left.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from webapp.automation.mail_view import Attached, MailView, Person
from webapp.mail import mime
from webapp.mail.charsets import decode_text

RESULTS = "Authentication-Results"
_FOLDED = rb"[ \t]*:.*(?:\r\n[ \t].*)*\r\n"
_TEXTUAL = ("text/", "application/json", "application/xml", "application/javascript", "application/x-yaml", "message/")


def view_of(
    raw: bytes, *, envelope_sender: str = "", envelope_recipients: Sequence[str] = (), direction: str = "received",
    verdict: Mapping[str, Any] | None = None,
) -> MailView:  # fmt: skip
    """What rules and actions see of these bytes.

    verdict  of our own check of the origin: its header stands first, and what claims to be ours is left out (RFC 8601 section 5)
    """
    mail = mime.parse(raw)
    return MailView(
        sender=Person(mail.sender_name, mail.sender),
        receivers=_people(mail.to), cc=_people(mail.cc), reply_to=_people(mail.reply_to),
        envelope_sender=envelope_sender, envelope_recipients=tuple(envelope_recipients),
        subject=mail.subject, text=mail.text, html=mail.html or "", headers=_with_results(mail.headers, verdict),
        attachments=tuple(_attached(number, item) for number, item in enumerate(mail.attachments, 1)),
        date=mail.date, message_id=mail.message_id, raw=raw, direction=direction,
        origin=verdict or {},
    )  # fmt: skip


def _with_results(headers: Sequence[tuple[str, str]], verdict: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    if not verdict:
        return tuple(headers)
    ours = " ".join(verdict["header"].split())
    us = ours.partition(";")[0].lower()
    foreign = [(name, value) for name, value in headers if name.lower() != RESULTS.lower() or not value.strip().lower().startswith(us)]
    return ((RESULTS, ours), *foreign)


def _people(pairs: Sequence[tuple[str, str]]) -> tuple[Person, ...]:
    return tuple(Person(name, email) for name, email in pairs)


def _attached(number: int, item: mime.Attachment) -> Attached:
    textual = item.content_type.startswith(_TEXTUAL) or item.content_type.endswith(("+json", "+xml"))
    text = decode_text(item.content, None) if textual else None
    return Attached(number, item.filename, item.content_type, item.content, text)


def attach(raw: bytes, filename: str, content_type: str, content: bytes) -> bytes:
    """The mail with one more attachment behind the others."""
    return mime.edit(raw, attachments=[mime.NewAttachment(filename, content, content_type)])


def with_subject(raw: bytes, subject: str) -> bytes:
    return mime.edit(raw, subject=one_line(subject)[:900])


def with_headers(raw: bytes, headers: Sequence[tuple[str, str]], *, without: Sequence[str] = ()) -> bytes:
    """The mail with these headers on top, and without any header of the names in `without`."""
    return mime.edit(without_headers(raw, without) if without else raw, prepend=[(name, one_line(value)) for name, value in headers])


def without_headers(raw: bytes, names: Sequence[str]) -> bytes:
    """The mail without the headers of these names, folded lines included; line ends become CRLF."""
    head, body = mime.head_and_body(raw)
    alternatives = b"|".join(re.escape(name.encode()) for name in names)
    return re.sub(rb"(?im)^(?:" + alternatives + rb")" + _FOLDED, b"", head) + b"\r\n" + body


def one_line(text: str) -> str:
    """Header text: line ends and control characters become single spaces."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]+", " ", text).split())


def attach_mail(raw: bytes, original: bytes) -> bytes:
    """The mail with another one attached whole, as message/rfc822, byte for byte but for its line ends (RFC 2046 section 5.2.1)."""
    marker = attach(raw, "original.eml", "application/octet-stream", b"")
    head, empty, body = marker.partition(b"\r\n\r\n")
    boundary = re.search(rb'boundary="(mailroom-[0-9a-f]+)"', head)
    if boundary is None or not empty:
        raise ValueError("the mail has no place for an attachment")
    first, _, _ = body.rpartition(b"--" + boundary[1] + b"\r\n")
    whole = re.sub(rb"\r\n|\r|\n", b"\r\n", original)
    encoding = b"8bit" if any(byte > 127 for byte in whole) else b"7bit"
    part = b'Content-Type: message/rfc822\r\nContent-Transfer-Encoding: ' + encoding
    part += b'\r\nContent-Disposition: attachment; filename="original.eml"\r\n\r\n' + whole
    return head + empty + first + b"--" + boundary[1] + b"\r\n" + part + b"\r\n--" + boundary[1] + b"--\r\n"
