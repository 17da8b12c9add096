"""Writing mail: a NewMail becomes bytes with CRLF line ends, and a mail that is there gets changes (RFC 5322, 2045 to 2047, 2231).

The standard library's `email` package does the encoding; the values that go into headers are checked first, so that no line break
of a caller ever reaches them (RELIABILITY C-68).
"""

import mimetypes
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from webapp.mail.address import BadAddress, clean_header, format_address, parse_address
from webapp.mail.line_ends import with_crlf
from webapp.mail.mime_fields import FIELD, read_block
from webapp.mail.mime_header import header_line, structured_line
from webapp.mail.mime_parse import parse

POLICY = SMTP.clone(max_line_length=78, cte_type="7bit")
NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,76}")
#: headers that the builder writes itself; a caller may not set them
OWN = frozenset({
    "from", "sender", "to", "cc", "bcc", "subject", "date", "message-id", "reply-to", "in-reply-to", "references", "mime-version",
    "content-type", "content-transfer-encoding", "content-disposition", "received", "return-path", "dkim-signature",
})  # fmt: skip
TEXT_LINE = 900


@dataclass(frozen=True)
class NewAttachment:
    """A file to send along; `content_id` makes it an inline part."""

    filename: str
    content: bytes
    content_type: str = ""
    content_id: str | None = None


@dataclass(frozen=True)
class NewMail:
    """What to write. Addresses are bare; `bcc` is for the envelope alone and never written."""

    sender: str
    to: list[str] = field(default_factory=list)
    cc: list[str] = field(default_factory=list)
    bcc: list[str] = field(default_factory=list)
    sender_name: str = ""
    reply_to: str | None = None
    subject: str = ""
    text: str | None = None
    html: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    attachments: list[NewAttachment] = field(default_factory=list)
    in_reply_to: str | None = None
    references: str | None = None
    message_id: str | None = None
    date: datetime | None = None
    auto_submitted: str | None = None

    @property
    def recipients(self) -> list[str]:
        """Every envelope recipient once, in order."""
        return list(dict.fromkeys([*self.to, *self.cc, *self.bcc]))


def new_message_id(hostname: str) -> str:
    return f"<{secrets.token_hex(16)}@{hostname}>"


def check_header(name: str, value: str) -> tuple[str, str]:
    """A header of a caller. raises BadAddress for names that are not free and values with line breaks"""
    if not NAME.fullmatch(name):
        raise BadAddress(f"{name[:40]!r} is no header name; letters, digits and hyphens, as in X-Order.")
    if name.lower() in OWN:
        raise BadAddress(f"The header {name} is written by Mailroom; use the field for it.")
    if len(value) > 4000:
        raise BadAddress(f"The header {name} is longer than 4,000 characters.")
    return name, clean_header(value, f"The header {name}")


def build(mail: NewMail) -> bytes:
    """The message as bytes: CRLF line ends, no line over 998 octets, everything 7-bit but addresses with letters (RFC 6532).

    raises BadAddress for an address or a header value that could break out of its line
    """
    lines = [structured_line("From", _address(mail.sender, mail.sender_name))]
    if mail.to:
        lines.append(structured_line("To", ", ".join(_address(address) for address in mail.to)))
    if mail.cc:
        lines.append(structured_line("Cc", ", ".join(_address(address) for address in mail.cc)))
    if not mail.to and not mail.cc:
        lines.append(b"To: undisclosed-recipients:;\r\n")
    lines.append(header_line("Subject", clean_header(mail.subject, "The subject")))
    lines.append(structured_line("Date", format_datetime(mail.date or datetime.now(UTC))))
    host = parse_address(mail.sender).domain
    lines.append(structured_line("Message-ID", clean_header(mail.message_id or new_message_id(host), "The Message-ID")))
    for name, value in (("Reply-To", mail.reply_to), ("In-Reply-To", mail.in_reply_to), ("References", mail.references)):
        if value:
            lines.append(structured_line(name, _address(value) if name == "Reply-To" else " ".join(clean_header(value, name).split())))
    if mail.auto_submitted:
        lines.append(structured_line("Auto-Submitted", mail.auto_submitted))
    lines += [_encoded_header(*check_header(name, value)) for name, value in mail.headers]
    message = EmailMessage(policy=POLICY)
    _content(message, mail)
    return b"".join(lines) + message.as_bytes(policy=POLICY)


def _address(address: str, name: str = "") -> str:
    return format_address(name, parse_address(address).text)


def _content(message: EmailMessage, mail: NewMail) -> None:
    """text, then html as its alternative, then files around them."""
    if mail.text is not None or mail.html is None:
        message.set_content(_lines(mail.text or ""), charset="utf-8", cte=_encoding(mail.text or ""))
        if mail.html is not None:
            message.add_alternative(_lines(mail.html), subtype="html", charset="utf-8", cte="quoted-printable")
    else:
        message.set_content(_lines(mail.html), subtype="html", charset="utf-8", cte="quoted-printable")
    for item in mail.attachments:
        main, sub = _type_of(item)
        name = clean_header(item.filename, "The file name")[:255]
        cid = f"<{clean_header(item.content_id, 'The content id').strip('<> ')}>" if item.content_id else None
        how = "inline" if cid else "attachment"
        message.add_attachment(item.content, maintype=main, subtype=sub, filename=name, disposition=how, cid=cid)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")


def _encoding(text: str) -> str:
    return "7bit" if text.isascii() and all(len(line) < TEXT_LINE for line in text.split("\n")) else "quoted-printable"


def _type_of(item: NewAttachment) -> tuple[str, str]:
    kind = item.content_type or mimetypes.guess_type(item.filename)[0] or "application/octet-stream"
    main, _, sub = kind.partition("/")
    if not NAME.fullmatch(main) or not NAME.fullmatch(sub) or main in ("multipart", "message"):
        return "application", "octet-stream"
    return main.lower(), sub.lower()




def edit(
    raw: bytes, *, subject: str | None = None, prepend: list[tuple[str, str]] | None = None, attachments: list[NewAttachment] | None = None,
    text: str | None = None, html: str | None = None,
) -> bytes:  # fmt: skip
    """The mail with another subject, further headers on top, another body or more files; what is not named stays byte for byte.

    A new body replaces the text (and html) parts; files that are there stay. raises BadAddress for line breaks in values
    """
    head, body = head_and_body(raw)
    if attachments or text is not None or html is not None:
        head, body = _rebuild(head, body, raw, text, html, attachments or [])
    if subject is not None:
        encoded = _encoded_header("Subject", clean_header(subject, "The subject"))
        head = re.sub(rb"(?im)^subject[ \t]*:.*(?:\r\n[ \t].*)*\r\n", b"", head) + encoded
    top = b"".join(_encoded_header(name, clean_header(value, f"The header {name}")) for name, value in prepend or [])
    return top + head + b"\r\n" + body


def head_and_body(raw: bytes) -> tuple[bytes, bytes]:
    """Header block with the last CRLF of its fields, and body, with CRLF line ends.

    They part where a reader of ours parts them, and lines of the block that are no fields are left out (an mbox separator, text where
    a field should be): headers that are put on top must not make headers of a body, nor carry along what other readers see as one.
    """
    raw = with_crlf(raw)
    body_at = read_block(raw, 0, len(raw)).body_at
    head: list[bytes] = []
    inside = False
    for line in raw[:body_at].split(b"\r\n"):
        inside = inside if line[:1] in (b" ", b"\t") else FIELD.match(line) is not None
        if inside and line.strip():
            head.append(line + b"\r\n")
    return b"".join(head), raw[body_at:]


def _encoded_header(name: str, value: str) -> bytes:
    """A header of a caller: URLs and ids in angle brackets stay as they are, all else is free text."""
    return structured_line(name, value) if value.isascii() and ("<" in value or "://" in value) else header_line(name, value)


CONTENT_HEADER = re.compile(rb"(?im)^(?:content-[a-z-]+|mime-version)[ \t]*:.*(?:\r\n[ \t].*)*\r\n")


def _rebuild(head: bytes, body: bytes, raw: bytes, text: str | None, html: str | None, files: list[NewAttachment]) -> tuple[bytes, bytes]:
    """multipart/mixed around the old content (kept as it is unless the text is new) and the new files."""
    boundary = f"mailroom-{secrets.token_hex(16)}".encode()
    lines = [match.group(0) for match in CONTENT_HEADER.finditer(head)]
    content_head = b"".join(line for line in lines if not line.lower().startswith(b"mime-version"))
    rest = CONTENT_HEADER.sub(b"", head)
    parts: list[bytes] = []
    if text is not None or html is not None:
        parts.append(_part(NewMail(sender="a@b", text=text, html=html)))
        parts += [_part_of(item.content, item.filename, item.content_type, item.content_id) for item in parse(raw).attachments]
    else:
        parts.append(content_head + b"\r\n" + body)
    parts += [_part_of(item.content, item.filename, item.content_type, item.content_id) for item in files]
    joined = b"".join(b"--" + boundary + b"\r\n" + part.rstrip(b"\r\n") + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
    return rest + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="' + boundary + b'"\r\n', joined


def _part(mail: NewMail) -> bytes:
    message = EmailMessage(policy=POLICY)
    _content(message, mail)
    del message["MIME-Version"]
    return message.as_bytes(policy=POLICY)


def _part_of(content: bytes, filename: str, content_type: str, content_id: str | None) -> bytes:
    item = NewAttachment(filename, content, content_type, content_id)
    main, sub = _type_of(item)
    message = EmailMessage(policy=POLICY)
    name = clean_header(filename, "The file name")[:255]
    message.set_content(content, maintype=main, subtype=sub, filename=name, disposition="attachment")
    if content_id:
        message["Content-ID"] = f"<{clean_header(content_id, 'The content id')}>"
    del message["MIME-Version"]
    return message.as_bytes(policy=POLICY)
