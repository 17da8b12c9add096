"""Reading address headers that anybody may have written: To, Cc, From, Reply-To.

Never raises, takes time linear in the header, and decodes names only after the structure is known, so that an encoded
comma or angle bracket cannot make an address (RFC 2047 section 6.2).
"""

from __future__ import annotations

import re

from webapp.mail.address import BadAddress, normalise
from webapp.mail.charsets import decode_words, one_line

#: More addresses than this in one header are ignored; a header is cut at so many characters.
MAX_ADDRESSES, MAX_CHARS = 5000, 300_000
_TOKEN = re.compile(
    r"""
    (?P<quoted>"(?:[^"\\]|\\.)*+"?)
  | (?P<angle><(?:"(?:[^"\\]|\\.)*+"?|[^>"])*+>?)
  | (?P<comment>\()
  | (?P<comma>,)
  | (?P<semi>;)
  | (?P<colon>:)
  | (?P<word>[^"<(,;:]++)
    """,
    re.X | re.S,
)
_PAREN = re.compile(r"\\.|[()]", re.S)
_LOOKS_LIKE = re.compile(r"[^\s<>()\[\],;:\"@]{1,64}@[^\s<>()\[\],;:\"@]{1,255}")


def parse_address_list(header_value: str) -> list[tuple[str, str]]:
    """(name, address) for each mailbox in the raw value of an address header, in order.

    header_value   as it stands in the mail: encoded words not yet decoded; folds may still be in it
    returns        addresses in normal form; what is no valid address stays as written (without line ends), if it has an @ or is in <>.
                   Groups are flattened, comments serve as names where there is no other
    """
    value = one_line(header_value[:MAX_CHARS])
    found: list[tuple[str, str]] = []
    words: list[str] = []
    angle: str | None = None
    comment = ""
    position = 0
    while position < len(value) and len(found) < MAX_ADDRESSES:
        token = _TOKEN.match(value, position)
        if token is None:
            break
        position = token.end()
        kind = token.lastgroup
        if kind == "comment":
            text, position = _comment(value, position)
            comment = comment or text
        elif kind in ("comma", "semi"):
            _keep(found, words, angle, comment)
            words, angle, comment = [], None, ""
        elif kind == "colon" and angle is None and "@" not in "".join(words):
            words, comment = [], ""  # the name of a group
        elif kind == "angle" and angle is None:
            angle = token[0][1:].removesuffix(">")
        else:
            words.append(token[0])
    _keep(found, words, angle, comment)
    if not found and "@" in value:
        found = [("", _normal(hit[0])) for hit in _LOOKS_LIKE.finditer(value[:10_000])]
    return found[:MAX_ADDRESSES]


def first_address(header_value: str) -> tuple[str, str]:
    """(name, address) of the first mailbox; ("", "") when there is none."""
    several = parse_address_list(header_value)
    return several[0] if several else ("", "")


def _comment(value: str, position: int) -> tuple[str, int]:
    """The text of a comment whose opening bracket stands before `position`, and where it ends."""
    depth = 1
    for mark in _PAREN.finditer(value, position):
        if mark[0] == "(":
            depth += 1
        elif mark[0] == ")":
            depth -= 1
            if not depth:
                return decode_words(value[position : mark.start()]).strip(), mark.end()
    return decode_words(value[position : position + 1000]).strip(), len(value)


def _keep(found: list[tuple[str, str]], words: list[str], angle: str | None, comment: str) -> None:
    text = "".join(words).strip()
    if angle is not None:
        inner = angle.strip()
        if inner.startswith("@") and ":" in inner:  # a source route, which RFC 5321 appendix C says to ignore
            inner = inner.rpartition(":")[2]
        if inner or text:
            found.append((_name(text) or comment, _normal(inner)))
    elif "@" in text:
        found.append((comment, _normal(text)))


def _name(text: str) -> str:
    """A display name without its quotes, decoded."""
    pieces = re.split(r'("(?:[^"\\]|\\.)*+"?)', text)
    plain = "".join(re.sub(r"\\(.)", r"\1", piece[1:].removesuffix('"')) if piece.startswith('"') else piece for piece in pieces)
    return re.sub(r"\s+", " ", decode_words(plain)).strip()[:1000]


def _normal(text: str) -> str:
    decoded = decode_words(text.strip()) if "=?" in text else text.strip()
    try:
        return normalise(decoded)
    except BadAddress:
        pass
    try:
        return normalise(re.sub(r"\s+", "", decoded))
    except BadAddress:
        return re.sub(r"\s+", " ", decoded)[:1000]
