"""Values of merge tags: what a value is in words, and how it is written in each place of a letter so that it stays a value.

    t  plain text (text part)          as it is, without control characters
    h  HTML, text or attribute         & < > " ' escaped
    u  inside an address               percent-encoded but for letters, digits and -._~ (RFC 3986 section 2.3)
    a  the beginning of an address     a whole http or https address, or nothing: no value makes a javascript: link
    s  one line (subject)              every run of blanks, line ends and control characters is one blank
"""

import html
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BLANKS = re.compile("[\x00-\x20\x7f\x85\xa0\u2028\u2029]+")
_WHOLE_ADDRESS = re.compile(r"https?://[^\s/?#\\@]+(?:[/?#]\S*)?\Z", re.I)


def words_of(value: Any) -> str:
    """A value in words; "" when there is none. Halves of characters become question marks, control characters go, line ends are LF."""
    if value is None:
        return ""
    if value is True or value is False:
        return "yes" if value else "no"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(words for words in map(words_of, value) if words)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = value if isinstance(value, str) else str(value)
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    if not text.isprintable():
        text = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return text.strip()


def as_text(words: str) -> str:
    """For the text part."""
    return words


def as_html(words: str) -> str:
    """For text and quoted attributes of HTML."""
    return html.escape(words, quote=True)


def in_address(words: str) -> str:
    """For a part of an address: path, query or fragment."""
    return quote(words, safe="")


def as_address(words: str) -> str:
    """A whole address; "" when it is none that a link may lead to. Not escaped for HTML."""
    return quote(words, safe="%/:?#[]@!$&'()*+,;=~") if _WHOLE_ADDRESS.match(words) else ""


def as_line(words: str) -> str:
    """For a header."""
    return words if words.isprintable() and "  " not in words and words.strip(" ") == words else _BLANKS.sub(" ", words).strip()


def as_html_address(words: str) -> str:
    """A whole address inside a quoted attribute."""
    return html.escape(as_address(words), quote=True)


PLACES: dict[str, Callable[[str], str]] = {"t": as_text, "h": as_html, "u": in_address, "a": as_html_address, "b": as_address, "s": as_line}


class Slot(NamedTuple):
    """A gap in a letter. `field` is a field of the contact, "email", or one of the names below; `place` a key of PLACES."""

    field: str
    place: str
    fallback: str = ""


#: slots that hold the person's token; never escaped, it holds URL-safe characters alone
TOKEN = Slot("#token", "t")
#: a template: text and gaps in turn
Pieces = list[str | Slot]


def filled(pieces: Pieces, email: str, values: Mapping[str, Any], token: str) -> str:
    """The text with its gaps filled: the plain way, for previews and as the measure of the fast one."""
    return "".join(piece if isinstance(piece, str) else value_of(piece, email, values, token) for piece in pieces)


def value_of(slot: Slot, email: str, values: Mapping[str, Any], token: str) -> str:
    """What a slot holds for one person, as it is written there."""
    if slot.field == TOKEN.field:
        return token
    words = words_of(email if slot.field == "email" else values.get(slot.field))
    return PLACES[slot.place](words or slot.fallback)


def joined(pieces: Pieces) -> Pieces:
    """The same with neighbouring texts joined and empty ones left out."""
    result: Pieces = []
    for piece in pieces:
        if isinstance(piece, Slot):
            result.append(piece)
        elif piece:
            if result and not isinstance(result[-1], Slot):
                result[-1] = str(result[-1]) + piece
            else:
                result.append(piece)
    return result
