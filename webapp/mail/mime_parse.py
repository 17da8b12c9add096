"""Reading mail: bytes become a ParsedMail; whatever the bytes are, it answers (RFC 5322, 2045 to 2049, 2231).

    raw -> mime_split (parts by offsets, limits) -> charsets (words) -> ParsedMail
                      \\-> mime_fields (parameters, safe names)   \\-> tnef (what Outlook packs into winmail.dat)

Structure comes first and letters second: addresses are cut apart before their encoded words are decoded, so that nobody can hide one in a
name. What is hostile by size is read as far as the limits go and flagged `parse_limited` (RELIABILITY C-07).
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from webapp.mail import tnef
from webapp.mail.address import parse_address_list
from webapp.mail.charsets import decode_text
from webapp.mail.html_depth import is_too_deep
from webapp.mail.mime_fields import Block, decoded, safe_filename, unfold
from webapp.mail.mime_split import MAX_PARTS, Notes, Part, content, split, uudecoded
from webapp.mail.sanitize import text_of_html

#: characters of text or of HTML kept; bytes of a part that are decoded for it
LONGEST_TEXT = 2_000_000
_META_CHARSET = re.compile(rb"<meta[^>]{1,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.I)
_UU_BEGIN = re.compile(r"^begin [0-7]{3,4} ([^\n]{1,300})\n", re.M)


@dataclass(frozen=True)
class Attachment:
    """A file of a mail. `filename` is safe to show and to save."""

    filename: str
    content_type: str
    content: bytes
    content_id: str | None = None
    inline: bool = False

    @property
    def size(self) -> int:
        return len(self.content)


@dataclass
class ParsedMail:
    """What a reader sees of a mail; every text is decoded and free of NUL.

    sender, reply_to, to, cc   addresses in normal form where they have one; lists of (name, address)
    message_id, in_reply_to    with angle brackets, as in the mail
    headers                    (name, decoded value on one line) in the order of the mail
    text                       the text/plain parts; made from the HTML where there are none
    """

    subject: str = ""
    sender: str = ""
    sender_name: str = ""
    sender_text: str = ""
    reply_to: list[tuple[str, str]] = field(default_factory=list)
    to: list[tuple[str, str]] = field(default_factory=list)
    cc: list[tuple[str, str]] = field(default_factory=list)
    date: datetime | None = None
    message_id: str = ""
    in_reply_to: str = ""
    references: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    text: str = ""
    html: str | None = None
    attachments: list[Attachment] = field(default_factory=list)
    size: int = 0
    parse_limited: bool = False
    problem: str | None = None

    def header(self, name: str) -> str:
        """The first value of a header, empty when it is not there."""
        wanted = name.lower()
        return next((value for header, value in self.headers if header.lower() == wanted), "")

    def header_all(self, name: str) -> list[str]:
        wanted = name.lower()
        return [value for header, value in self.headers if header.lower() == wanted]


def parse(raw: bytes) -> ParsedMail:
    """Never raises; what could not be read is said in `problem`."""
    mail = ParsedMail(size=len(raw))
    notes = Notes()
    try:
        root = split(raw, notes)
        _headers(mail, root.block)
        _Reader(raw, mail, notes).read(root)
    except Exception as error:  # noqa: BLE001 (a mail that is stored must be shown, whatever is wrong with it or with us)
        notes.say(f"The structure of the mail could not be read: {str(error)[:200]}")
        mail.text = mail.text or decode_text(raw[:LONGEST_TEXT], None)
    mail.parse_limited, mail.problem = notes.limited, notes.problem
    return mail


def _headers(mail: ParsedMail, block: Block) -> None:
    mail.headers = [(name, decoded(value)) for name, value in block.fields]
    mail.subject = " ".join(mail.header("subject").split())[:2000]
    mail.sender_text = mail.header("from")[:2000]
    senders = _addresses(block, "from")
    mail.sender_name, mail.sender = senders[0] if senders else ("", "")
    mail.reply_to, mail.to, mail.cc = (_addresses(block, name) for name in ("reply-to", "to", "cc"))
    mail.message_id, mail.in_reply_to = mail.header("message-id")[:500], mail.header("in-reply-to")[:500]
    mail.references = mail.header("references")[:4000]
    try:
        moment = parsedate_to_datetime(mail.header("date")[:200])
        mail.date = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        mail.date = None


def _addresses(block: Block, name: str) -> list[tuple[str, str]]:
    return parse_address_list(", ".join(unfold(value) for field_name, value in block.fields if field_name.lower() == name))


class _Reader:
    """Walks the parts of one mail and puts each where a reader expects it: text, HTML or file."""

    def __init__(self, raw: bytes, mail: ParsedMail, notes: Notes) -> None:
        self.raw, self.mail, self.notes = raw, mail, notes
        self.texts: list[str] = []
        self.htmls: list[str] = []
        self.room = {"text": LONGEST_TEXT, "html": LONGEST_TEXT}

    def read(self, root: Part) -> None:
        self._walk(root, body=True)
        self.mail.html = "\n".join(self.htmls) or None
        if self.mail.html and is_too_deep(self.mail.html):
            self.notes.limit("The HTML of the mail nests deeper than is read.")
        text = "\n".join(self.texts)
        self.mail.text = text if text.strip() or not self.mail.html else text_of_html(self.mail.html)

    def _walk(self, part: Part, *, body: bool, related: bool = False) -> None:
        """body: whether text here may be the body; a named text that is the only or first thing in its place still is."""
        if not part.children:
            kind = {"text/plain": "text", "text/html": "html"}.get(part.type)
            if kind and body and part.disposition != "attachment" and not (part.filename and (self.texts or self.htmls)):
                self._say(part, kind)
            elif part.end > part.start or part.filename:
                self._file(part, related)
            return
        if part.type == "multipart/alternative":
            chosen = {child.type: child for child in part.children if child.type in ("text/plain", "text/html")}
            for child in part.children:
                shown = child is chosen.get(child.type) or bool(child.children)
                self._walk(child, body=body and shown and not child.filename, related=related)
            return
        inside = part.type == "multipart/related"
        for number, child in enumerate(part.children):
            self._walk(child, body=body and (not inside or number == 0 or bool(child.children)), related=related or inside)

    def _say(self, part: Part, kind: str) -> None:
        room = self.room[kind]
        data = content(self.raw, part, room * 2)
        label = part.parameters.get("charset")
        if kind == "html" and not label and (meta := _META_CHARSET.search(data[:4096])):
            label = meta[1].decode()
        text = decode_text(data, label).replace("\r\n", "\n").replace("\r", "\n")
        if part.end - part.start > room * 2 or len(text) > room:
            self.notes.limit("The text of the mail is longer than is read.")
            text = text[:room]
        if kind == "text" and "\nend" in text:
            text = self._uuencoded(text)
        self.room[kind] = room - len(text)
        (self.texts if kind == "text" else self.htmls).append(text)

    def _uuencoded(self, text: str) -> str:
        """Files written into the text, as mail had them before MIME, become attachments."""
        kept, position = [], 0
        while begin := _UU_BEGIN.search(text, position):
            end = text.find("\nend", begin.end() - 1)
            if end < 0:
                break
            if len(self.mail.attachments) >= MAX_PARTS:
                self.notes.limit("The mail has more files in its text than are read.")
                break
            data = uudecoded(text[begin.end() : end].encode("utf-8", "replace").split(b"\n"))
            if data:
                kept.append(text[position : begin.start()])
                self._keep(begin[1].strip(), "application/octet-stream", data)
            else:
                kept.append(text[position : end + 4])
            position = end + 4
        return "".join([*kept, text[position:]])

    def _file(self, part: Part, related: bool) -> None:
        data = content(self.raw, part)
        content_id = part.block.text("content-id").strip("<> ")[:500] or None
        inline = part.disposition != "attachment" and (part.disposition == "inline" or related) and content_id is not None
        self._keep(part.filename, part.type, data, content_id, inline)
        if part.type in ("application/ms-tnef", "application/vnd.ms-tnef") or part.filename.lower() == "winmail.dat":
            for name, packed in tnef.files(data):
                self._keep(name, "application/rtf" if name == tnef.BODY else "application/octet-stream", packed)

    def _keep(self, name: str, kind: str, data: bytes, content_id: str | None = None, inline: bool = False) -> None:
        number = len(self.mail.attachments) + 1
        self.mail.attachments.append(Attachment(safe_filename(name, number, kind), kind, data, content_id, inline))


def split_raw(raw: bytes) -> tuple[bytes, bytes]:
    """Header block and body at the first empty line, whatever the line ends are."""
    match = re.search(rb"\r?\n\r?\n|\r\r", raw)
    return (raw, b"") if match is None else (raw[: match.start()], raw[match.end() :])


def search_text(mail: ParsedMail) -> str:
    """The words under which a mail is found, at most 200 KB of UTF-8."""
    names = " ".join(f"{name} {address}" for name, address in [(mail.sender_name, mail.sender), *mail.to[:500], *mail.cc[:500]])
    words = "\n".join([mail.subject, names, " ".join(item.filename for item in mail.attachments), mail.text[:200_000]])
    return words.encode()[:200_000].decode("utf-8", "ignore")


def preview(mail: ParsedMail, length: int = 140) -> str:
    """The first words of a mail on one line."""
    return " ".join(mail.text[:2000].split())[:length]
