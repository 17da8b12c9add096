"""Bytes to text: charset names as they really occur, and the encoded words of headers (RFC 2047).

Mail lies about its charset often enough that a decoder which raises is useless. Everything here answers with text,
in time linear in the input.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import io
import quopri
import re

#: Labels whose bytes are, in practice, of a larger set. Keys as made by `_key`.
_ALIASES = {
    "ascii": "utf-8",
    "usascii": "utf-8",
    "ansix341968": "utf-8",
    "646": "utf-8",
    "utf8": "utf-8",
    "utf8mb4": "utf-8",
    "unicode": "utf-8",
    "iso88591": "cp1252",
    "latin1": "cp1252",
    "l1": "cp1252",
    "iso885915": "iso8859-15",
    "iso88598i": "iso8859-8",
    "iso88598e": "iso8859-8",
    "iso88599": "cp1254",
    "latin5": "cp1254",
    "iso885911": "cp874",
    "tis620": "cp874",
    "windows874": "cp874",
    "gb2312": "gb18030",
    "gb231280": "gb18030",
    "gbk": "gb18030",
    "cp936": "gb18030",
    "ms936": "gb18030",
    "xgbk": "gb18030",
    "euccn": "gb18030",
    "chinese": "gb18030",
    "hzgb2312": "hz",
    "big5": "cp950",
    "xxbig5": "cp950",
    "csbig5": "cp950",
    "cnbig5": "cp950",
    "ksc56011987": "cp949",
    "ksc5601": "cp949",
    "ksc56011989": "cp949",
    "euckr": "cp949",
    "isoir149": "cp949",
    "windows949": "cp949",
    "korean": "cp949",
    "shiftjis": "cp932",
    "sjis": "cp932",
    "xsjis": "cp932",
    "mskanji": "cp932",
    "windows31j": "cp932",
    "cswindows31j": "cp932",
    "iso2022jp": "iso2022_jp_ext",
    "csiso2022jp": "iso2022_jp_ext",
    "xeucjp": "euc_jp",
    "cp51932": "euc_jp",
    "unicode11utf7": "utf-7",
    "macintosh": "mac_roman",
    "macroman": "mac_roman",
    "xmacroman": "mac_roman",
    "mac": "mac_roman",
    "xmaccyrillic": "mac_cyrillic",
    "xmaccentraleurroman": "mac_latin2",
    "utf16le": "utf-16-le",
    "utf16be": "utf-16-be",
    "ucs2": "utf-16",
    "koi8": "koi8-r",
    "cskoi8r": "koi8-r",
    "koi8ru": "koi8-u",
    "ibm850": "cp850",
    "ansi": "cp1252",
    "iso885916": "iso8859-16",
}
#: Codecs of Python that are not character sets; asked for by a mail they would raise or answer with nonsense.
_NOT_TEXT = {
    "base64",
    "bz2",
    "hex",
    "quopri",
    "rot_13",
    "uu",
    "zlib",
    "idna",
    "punycode",
    "undefined",
    "unicode_escape",
    "raw_unicode_escape",
    "mbcs",
    "oem",
}
_WORD = re.compile(r"=\?([^?\s*]{1,60})(?:\*[^?\s]{0,40})?\?([bBqQ])\?([^?]*)\?=")
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
#: base64 is decoded so many bytes at a time
_PIECE = 1024 * 1024
_ESCAPES_2022 = (b"\x1b$", b"\x1b(")


def find_codec(label: str) -> str | None:
    """The Python codec for a charset label as written in a mail; None when nobody knows it."""
    wanted = label.strip().strip("\"'").lower()
    key = re.sub(r"[^a-z0-9]", "", wanted[:60])
    for name in (_ALIASES.get(key), wanted, re.sub(r"^(?:x-|cs)", "", wanted), key.replace("windows", "cp")):
        if not name or len(name) > 60 or "\x00" in name:
            continue
        try:
            found = codecs.lookup(name).name
        except (LookupError, ValueError):
            continue
        if found.replace("-", "_") not in _NOT_TEXT:
            return _ALIASES.get(re.sub(r"[^a-z0-9]", "", found), found)
    return None


def decode_text(data: bytes, label: str | None) -> str:
    """Text of a body or header; tries what the mail says, then what the bytes look like, then Windows-1252.

    Never raises; what comes back can be stored anywhere: no NUL, no half characters (lone surrogates).
    """
    text = _decode(data, label).replace("\x00", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _decode(data: bytes, label: str | None) -> str:
    codec = find_codec(label) if label else None
    if codec == "utf-8":
        codec = "utf-8-sig"
    if codec and codec != "utf-8-sig":
        text = _try(data, codec)
        if text is not None:
            return text
        if codec in ("cp932", "euc_jp", "cp950", "cp949", "gb18030", "iso2022_jp_ext", "hz", "iso2022_kr"):
            text = _try_wider(data, codec)
            if text is not None:
                return text
    return _guess(data, codec)


def decode_words(raw: str) -> str:
    """A header's text with its encoded words decoded; neighbours of one charset are joined before decoding (RFC 2047 section 6.2).

    A decoded line end or NUL becomes a space: a header is one line, whatever it was wrapped in (RFC 2047 section 5).
    """
    if "=?" not in raw:
        return raw
    pieces: list[str] = []
    run: list[bytes] = []
    label = ""
    end = 0
    for found in _WORD.finditer(raw):
        gap = raw[end : found.start()]
        if run and (gap.strip() or found[1].lower() != label):
            pieces.append(decode_text(b"".join(run), label))
            run = []
            gap = gap if gap.strip() else ""
        if not run:
            pieces.append(gap)
        label = found[1].lower()
        run.append(_word_bytes(found[2], found[3]))
        end = found.end()
    if run:
        pieces.append(decode_text(b"".join(run), label))
    pieces.append(raw[end:])
    return one_line("".join(pieces))


def encode_words(text: str) -> str:
    """The text as encoded words of at most 75 characters with blanks between them (RFC 2047 section 2); no character is cut in two."""
    words: list[bytes] = [b""]
    for char in text:
        data = char.encode("utf-8", "replace")
        if len(words[-1]) + len(data) > 45:
            words.append(b"")
        words[-1] += data
    return " ".join(f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in words)


def one_line(text: str) -> str:
    """The text with every kind of line end, NUL and other control characters turned into single spaces."""
    return re.sub(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]+", " ", text)


def _word_bytes(kind: str, body: str) -> bytes:
    data = body.encode("utf-8", "surrogateescape")
    if kind in "bB":
        return lenient_base64(data)
    return quopri.decodestring(data.replace(b"_", b"=20"), header=False)


def lenient_base64(data: bytes, start: int = 0, end: int | None = None) -> bytes:
    """Base64 with foreign characters skipped, padding repaired, and padding in the middle understood as a new start.

    Goes through data[start:end] in pieces, so that of a large file nothing but its bytes is held.
    """
    stop, left, found = len(data) if end is None else min(end, len(data)), b"", io.BytesIO()
    while stop - start > _PIECE:
        clean = left + data[start : start + _PIECE].translate(None, _NOT_BASE64)
        if b"=" in clean:
            break
        whole = len(clean) // 4 * 4
        found.write(base64.b64decode(clean[:whole]))
        left, start = clean[whole:], start + _PIECE
    rest = _repaired_base64(left + data[start:stop].translate(None, _NOT_BASE64))
    if not found.tell():
        return rest
    found.write(rest)
    return found.getvalue()


def _repaired_base64(clean: bytes) -> bytes:
    try:
        return base64.b64decode(clean + b"=" * (-len(clean) % 4), validate=True)
    except binascii.Error:
        parts = []
        for chunk in re.split(rb"=+", clean):
            if len(chunk) % 4 == 1:
                chunk = chunk[:-1]
            parts.append(base64.b64decode(chunk + b"=" * (-len(chunk) % 4)))
        return b"".join(parts)


def _try(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeError, ValueError, LookupError):
        return None


def _try_wider(data: bytes, codec: str) -> str | None:
    """A few spoilt bytes in an Asian mail should not turn all of it into Latin letters."""
    if _try(data, "utf-8") is not None:
        return None
    text = data.decode(codec, "replace")
    return text if text.count("\ufffd") * 20 <= len(text) else None


def _guess(data: bytes, codec: str | None) -> str:
    text = _try(data, "utf-8-sig")
    if text is not None:
        if any(mark in data for mark in _ESCAPES_2022):
            return _try(data, "iso2022_jp_ext") or text
        return text
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    if codec == "utf-8-sig":
        text = data.decode("utf-8", "replace")
        if text.count("\ufffd") * 50 <= len(text) and text.isascii() is False and _has_multibyte(text):
            return text
    return data.decode("cp1252", "replace")


def _has_multibyte(text: str) -> bool:
    return any(ord(char) > 127 and char != "\ufffd" for char in text)
