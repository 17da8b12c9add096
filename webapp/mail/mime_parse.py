"""Reading mail: bytes become a ParsedMail; whatever the bytes are, it answers (RFC 5322, 2045 to 2049, 2231).

The raw header block is read by ourselves, in order; bodies and attachments come from fast-mail-parser. What is hostile by size (parts,
depth, headers) is found by a cheap scan first and only shown as text, flagged `parse_limited` (RELIABILITY C-07).
"""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import fast_mail_parser
from webapp.mail.address import parse_address_list
from webapp.mail.charsets import decode_text, decode_words
from webapp.mail.sanitize import text_of_html

MOST_PARTS, MOST_HEADERS, LONGEST_HEAD, LONGEST_TEXT = 500, 2000, 512 * 1024, 2_000_000
DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


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
    """What a reader sees of a mail; every text is decoded and free of NUL."""

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
    head, body = split_raw(raw)
    _headers(mail, head)
    limit = _too_much(head, body)
    if limit:
        mail.parse_limited, mail.problem = True, limit
        mail.text = _clean(body[:20_000].decode("utf-8", "replace"))
        return mail
    try:
        found = fast_mail_parser.parse_email(raw)
        _bodies(mail, found)
    except Exception as error:
        mail.problem = f"The structure of the mail could not be read: {str(error)[:200]}"
        mail.text = _clean(body[:LONGEST_TEXT].decode("utf-8", "replace"))
    return mail


def split_raw(raw: bytes) -> tuple[bytes, bytes]:
    """Header block and body at the first empty line, whatever the line ends are."""
    match = re.search(rb"\r?\n\r?\n|\r\r", raw[: LONGEST_HEAD * 4])
    return (raw, b"") if match is None else (raw[: match.start()], raw[match.end() :])


def _too_much(head: bytes, body: bytes) -> str | None:
    if len(head) > LONGEST_HEAD or head.count(b"\n") > MOST_HEADERS * 4:
        return "The header is too large to be read."
    boundaries = set(re.findall(rb"boundary\s*=\s*\"?([^\s\";]{1,100})", head + body[:2_000_000], re.I))
    if len(boundaries) > 100:
        return "The parts are nested too deeply to be read."
    if boundaries and body.count(b"\n--") > MOST_PARTS * 4:
        return "The mail has too many parts to be read."
    return None


def _headers(mail: ParsedMail, head: bytes) -> None:
    unfolded = re.sub(rb"\r?\n[ \t]+", b" ", head[:LONGEST_HEAD])
    for line in re.split(rb"\r\n|\n|\r", unfolded)[:MOST_HEADERS]:
        name, colon, value = line.partition(b":")
        if colon and name and len(name) < 200 and not re.search(rb"[\s\x00-\x20\x7f]", name.strip()):
            mail.headers.append((name.strip().decode("ascii", "replace"), _clean(decode_words(decode_text(value.strip(), None)))))
    first = {}
    for name, text in mail.headers:
        first.setdefault(name.lower(), text)
    mail.subject = " ".join(first.get("subject", "").split())[:2000]
    mail.sender_text = first.get("from", "")[:2000]
    senders = parse_address_list(first.get("from", ""))
    mail.sender_name, mail.sender = senders[0] if senders else ("", "")
    mail.reply_to = parse_address_list(first.get("reply-to", ""))
    mail.to = parse_address_list(", ".join(mail.header_all("to")))
    mail.cc = parse_address_list(", ".join(mail.header_all("cc")))
    mail.message_id, mail.in_reply_to = first.get("message-id", "").strip()[:500], first.get("in-reply-to", "").strip()[:500]
    mail.references = first.get("references", "").strip()[:4000]
    try:
        moment = parsedate_to_datetime(first.get("date", ""))
        mail.date = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        mail.date = None


def _bodies(mail: ParsedMail, found: fast_mail_parser.PyMail) -> None:
    texts = [_clean(part) for part in found.text_plain if part.strip()]
    htmls = [_clean(part) for part in found.text_html if part.strip()]
    mail.html = "\n".join(htmls)[:LONGEST_TEXT] or None
    mail.text = "\n".join(texts)[:LONGEST_TEXT] if texts else text_of_html(mail.html) if mail.html else ""
    for number, item in enumerate(found.attachments[:MOST_PARTS], 1):
        content = bytes(item.content)
        mail.attachments.append(
            Attachment(
                safe_filename(item.filename or "", number), (item.mimetype or "application/octet-stream").lower()[:120], content,
                (item.content_id or "").strip("<> ") or None, item.disposition != "attachment" and bool(item.content_id),
            )
        )  # fmt: skip


def _clean(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def safe_filename(name: str, number: int = 1) -> str:
    """A name that stays in its folder and reads as it is (RELIABILITY C-10)."""
    text = unicodedata.normalize("NFC", _clean(name)).replace("\\", "/").rsplit("/", 1)[-1]
    text = "".join(char for char in text if char.isprintable() and unicodedata.category(char) not in ("Cf", "Cc", "Zl", "Zp"))
    text = re.sub(r'[<>:"|?*]', "_", text).strip(" .")
    if not text or DEVICES.fullmatch(text):
        return f"attachment-{number}"
    stem, dot, ending = text.rpartition(".")
    return text if len(text) <= 120 else f"{(stem or ending)[:100]}{dot}{ending[:15]}"


def search_text(mail: ParsedMail) -> str:
    """The words under which a mail is found, at most 200 KB."""
    names = " ".join(f"{name} {address}" for name, address in [(mail.sender_name, mail.sender), *mail.to, *mail.cc])
    return "\n".join([mail.subject, names, " ".join(item.filename for item in mail.attachments), mail.text])[:200_000]


def preview(mail: ParsedMail, length: int = 140) -> str:
    return " ".join(mail.text[:2000].split())[:length]
