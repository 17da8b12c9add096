"""A report cut into what its reader needs: the words of the server, the fields of RFC 3464, and the header of the mail that it is about."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from webapp.mail.charsets import decode_text
from webapp.mail.mime_fields import read_block, unfold
from webapp.mail.mime_parse import ParsedMail, parse

#: characters of a report's own words that are read; a report has no reason to be longer
LONGEST_NOTICE = 64_000
STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
MAIL_TYPES = ("message/rfc822", "message/global", "text/rfc822-headers", "text/rfc822-header", "message/global-headers")

#: A line that says that the returned mail begins below it.
_CUT = re.compile(
    r"^[^\w\n]*(?:below (?:this|the next) line|this is a copy of|below is a copy|here is a copy|included is a copy|"
    r"a summary of the undelivered|"
    r"(?:message )?headers? of the original|the header of the original|original (?:message|mail)|"
    r"(?:start of )?(?:the )?returned message[ -]*$|"
    r"returned message|unsent message|message (?:text|headers?) follow|the first \d+ lines|bounced e-?mail|mensaje original|"
    r"old message:|message contents follow|begin message|content of the message|attached message)",
    re.I | re.M,
)
#: A line that only a mail on its way has: the returned mail begins here though nobody said so.
_HEADER = re.compile(
    r"^[> \t]{0,6}(?:received|return-path|dkim-signature|x-google-[\w-]+|delivered-to|x-originating-ip|domainkey-signature):", re.I | re.M
)
_BLANKS = re.compile(r"\n[ \t]*\n[\s]*")


@dataclass(frozen=True, slots=True)
class Fields:
    """One block of `Name: value` lines; the first value of a name counts."""

    values: dict[str, str]

    def get(self, name: str) -> str:
        return self.values.get(name, "")


@dataclass(slots=True)
class Pieces:
    """notice     what the reporting server says, without the mail that it returns
    statuses   the blocks of the RFC 3464 part (or of text that looks like it), in order
    original   the header fields of the returned mail; empty when none came back
    inner      a whole mail that came along, for reports that somebody wrapped
    """

    notice: str
    statuses: list[Fields] = field(default_factory=list)
    original: Fields = field(default_factory=lambda: Fields({}))
    inner: bytes = b""


def cut(mail: ParsedMail) -> Pieces:
    """The pieces of a mail that may be a report."""
    notice, rest = _split(mail.text[: LONGEST_NOTICE * 4])
    pieces = Pieces(notice[:LONGEST_NOTICE])
    for item in mail.attachments:
        if item.content_type in STATUS_TYPES:
            pieces.statuses.extend(field_blocks(decode_text(item.content[: LONGEST_NOTICE * 4], None)))
        elif item.content_type in MAIL_TYPES and not pieces.inner:
            pieces.inner = item.content
            pieces.original = header_fields(item.content)
        elif item.content_type == "text/plain" and not pieces.original.values:
            pieces.original = header_fields(item.content)
    if not pieces.original.values.keys() & {"from", "message-id", "to"}:
        pieces.original = header_fields(rest.encode("utf-8", "replace"))
    if not any(block.get("final-recipient") or block.get("original-recipient") for block in pieces.statuses):
        whole = mail.text[: LONGEST_NOTICE * 4]
        at = whole.lower().find("final-recipient:")
        if at >= 0:
            pieces.statuses = field_blocks(_split(whole[max(0, whole.rfind("\n\n", 0, at)) :])[0])
    return pieces


def header_fields(data: bytes) -> Fields:
    """The header fields at the beginning of the bytes, names in lower case, values on one line; encoded words stay."""
    start = len(data) - len(data.lstrip())
    values: dict[str, str] = {}
    for name, value in read_block(data[: start + 256_000], start, min(len(data), start + 256_000)).fields:
        values.setdefault(name.lower(), unfold(value))
    return Fields(values)


def field_blocks(text: str) -> list[Fields]:
    """Blocks of fields with empty lines between them (RFC 3464 section 2.1.1); empty lines in the wrong place do no harm."""
    blocks: list[Fields] = []
    for block in _BLANKS.split(text.replace("\r\n", "\n").replace("\r", "\n").strip()):
        values: dict[str, str] = {}
        for name, value in read_block(data := block.encode("utf-8", "replace"), 0, len(data)).fields:
            if name.lower() == "final-recipient" and name.lower() in values:  # the empty line between two was forgotten
                blocks.append(Fields(values))
                values = {}
            values.setdefault(name.lower(), unfold(value))
        if values:
            blocks.append(Fields(values))
    return blocks


def inner_mail(pieces: Pieces) -> ParsedMail | None:
    """The mail that came along, read; None when there is none."""
    return parse(pieces.inner) if pieces.inner else None


def _split(text: str) -> tuple[str, str]:
    """The words before the returned mail, and the returned mail."""
    hits = [hit for hit in (_CUT.search(text), _HEADER.search(text)) if hit]
    if not hits:
        return text, ""
    first = min(hits, key=lambda hit: hit.start())
    if first.re is _HEADER:
        return text[: first.start()], text[first.start() :]
    line_end = text.find("\n", first.start())
    return text[: first.start()], text[line_end:] if line_end >= 0 else ""
