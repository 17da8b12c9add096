"""Header fields as they stand in a mail: cutting the block, unfolding, parameters (RFC 2045, 2231), and file names that harm nobody."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from webapp.mail.charsets import decode_text, decode_words, one_line

#: A header block of more bytes, or with more fields, is cut there and the mail flagged.
MAX_HEADER_BYTES, MAX_FIELDS = 512_000, 1000
_BLOCK_END = re.compile(rb"(?>\r*\n|\r){2}")
_LINE_END = re.compile(rb"\r*\n|\r")
FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_PARAMETER = re.compile(r';\s*+([^\s=;*"]{1,100})(?:\*(\d{1,4}))?(\*)?\s*+=\s*+("(?:[^"\\]|\\.)*+"?|[^;]*+)', re.S)
_DEVICES = re.compile(r"(?:con|prn|aux|nul|clock\$|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|\Z)", re.I)
_ENDINGS = {
    "text/plain": "txt", "text/html": "html", "text/calendar": "ics", "text/csv": "csv", "text/vcard": "vcf", "text/xml": "xml",
    "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp", "image/svg+xml": "svg",
    "application/pdf": "pdf", "application/zip": "zip", "application/gzip": "gz", "application/json": "json",
    "application/xml": "xml", "message/rfc822": "eml", "message/delivery-status": "txt", "text/rfc822-headers": "txt",
    "message/disposition-notification": "txt", "message/feedback-report": "txt", "application/pgp-signature": "asc",
    "application/pkcs7-signature": "p7s", "application/ms-tnef": "dat",
}  # fmt: skip


@dataclass(slots=True)
class Block:
    """A header block: (name, raw value with folds) in order; where the body begins; whether it was cut."""

    fields: list[tuple[str, bytes]]
    body_at: int
    limited: bool

    def raw(self, name: str) -> bytes:
        """The first value of a field, raw; empty when there is none. `name` in lower case."""
        return next((value for field, value in self.fields if field.lower() == name), b"")

    def text(self, name: str) -> str:
        """The first value of a field, unfolded, encoded words as they stand."""
        return unfold(self.raw(name))


def read_block(data: bytes, start: int, end: int) -> Block:
    """The header block of the entity at data[start:end], however its lines end; text without any header has an empty block."""
    if empty := _LINE_END.match(data, start, end):
        return Block([], empty.end(), False)
    found = _BLOCK_END.search(data, start, end)
    head_end, body_at = (found.start(), found.end()) if found else (end, end)
    limited = head_end - start > MAX_HEADER_BYTES
    cut = min(head_end, start + MAX_HEADER_BYTES)
    fields: list[tuple[str, bytes]] = []
    pieces: list[bytes] = []
    position = start
    while position < cut:
        line_end = _LINE_END.search(data, position, cut)
        stop, following = (line_end.start(), line_end.end()) if line_end else (cut, cut)
        line = data[position:stop]
        if line[:1] in (b" ", b"\t") and fields:
            pieces.append(line)
        elif named := FIELD.match(line):
            if len(fields) >= MAX_FIELDS:
                limited = True
                break
            _join(fields, pieces)
            fields.append((named[1].decode("ascii"), b""))
            pieces = [line[named.end() :]]
        elif not (line.startswith((b"From ", b">From ")) and position == start) and not FIELD.match(data, following, cut):
            body_at = position  # a line of text where a field should be: the empty line was forgotten
            break
        position = following
    _join(fields, pieces)
    return Block(fields, body_at, limited)


def _join(fields: list[tuple[str, bytes]], pieces: list[bytes]) -> None:
    if fields:
        fields[-1] = (fields[-1][0], b"\r\n".join(pieces))


def unfold(value: bytes) -> str:
    """A raw value on one line, in letters; encoded words stay."""
    return one_line(decode_text(value.replace(b"\r\n", b""), None)).strip()


def decoded(value: bytes) -> str:
    """A raw value as a reader sees it: on one line, encoded words decoded."""
    return decode_words(unfold(value)).strip()


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """(main value in lower case, parameters by lower-case name) of Content-Type or Content-Disposition.

    Understands continuations and charsets (RFC 2231), and what should not be there but is: encoded words, spaces without quotes.
    The RFC 2231 form of a parameter wins over the plain one (RFC 6266 section 4.3).
    """
    main = value.partition(";")[0].strip().lower()
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for count, found in enumerate(_PARAMETER.finditer(value)):
        if count >= 300:
            break
        name, number, coded = found[1].lower(), found[2], bool(found[3])
        text = found[4].strip()
        if text.startswith('"'):
            text = re.sub(r'\\(["\\])', r"\1", text[1:].removesuffix('"'))
        if number is None and not coded:
            plain.setdefault(name, decode_words(text).strip())
        else:
            pieces.setdefault(name, {}).setdefault(int(number or 0), (text, coded))
    for name, numbered in pieces.items():
        joined = _continued(numbered)
        if joined:
            plain[name] = joined
    return main, plain


def _continued(numbered: dict[int, tuple[str, bool]]) -> str:
    charset = None
    data = []
    for order, number in enumerate(sorted(numbered)):
        text, coded = numbered[number]
        if order == 0 and coded and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        data.append(unquote_to_bytes(text) if coded else text.encode("utf-8", "replace"))
    return one_line(decode_words(decode_text(b"".join(data), charset)))


def safe_filename(name: str, number: int = 1, content_type: str = "") -> str:
    """A file name that stays in its folder and looks like what it is (C-10): at most 150 bytes, no path, no control or direction marks,
    no device name, no dot in front. Without a usable name: `attachment-<number>` with an ending after the type."""
    text = unicodedata.normalize("NFC", name[:10_000]).replace("\\", "/").rpartition("/")[2]
    text = "".join(" " if char.isspace() else char for char in text if char.isspace() or unicodedata.category(char)[0] != "C")
    text = re.sub(r'[<>:"|?*]', "_", re.sub(r" +", " ", text)).strip(" .")
    if not text:
        ending = _ENDINGS.get(content_type.lower(), "bin")
        text = f"attachment-{number}.{ending}"
    if _DEVICES.match(text):
        text = "_" + text
    if len(text.encode()) > 150:
        stem, dot, ending = text.rpartition(".")
        if not dot or len(ending.encode()) > 20:
            stem, ending = text, ""
        room = 150 - len(ending.encode()) - 1
        stem = stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .")
        text = f"{stem}.{ending}" if ending else stem
    return text
