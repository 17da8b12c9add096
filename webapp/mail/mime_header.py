"""Writing header lines: folded at blanks, encoded where needed, and never read again by a library that might understand them anew.

source  RFC 5322 section 2.2.3 (folding), RFC 2047 section 2 (encoded words), RFC 6532 (letters in addresses)
"""

import re

from webapp.mail.address import BadAddress, clean_header
from webapp.mail.charsets import encode_words

_SOFT, _HARD = 76, 990
_NAME = re.compile(r"[!-9;-~]{1,76}")
_PIECE = re.compile(r" *[^ ]+")


def header_line(name: str, value: str) -> bytes:
    """`Name: value` with CRLF for free text: a subject, a comment. What is not ASCII becomes encoded words.

    raises   BadAddress (a ValueError) for line ends of any kind, or a name that is none
    """
    value = clean_header(value, f"The header {name}").replace("\t", " ")
    if not value.isascii() or "=?" in value or not value.isprintable() or any(len(piece) > _HARD for piece in _PIECE.findall(value)):
        value = encode_words(value)
    return _folded(name, value)


def structured_line(name: str, value: str) -> bytes:
    """`Name: value` with CRLF for addresses, ids and URLs, which must arrive as they are: folded at blanks only, letters as UTF-8.

    raises   BadAddress for line ends, and for a piece without a blank that no line can hold
    """
    value = clean_header(value, f"The header {name}").replace("\t", " ")
    if any(len(piece.encode()) > _HARD for piece in _PIECE.findall(value)):
        raise BadAddress(f"The header {name} holds a piece of more than {_HARD} characters without a blank, which no mail line can carry.")
    return _folded(name, value)


def _folded(name: str, value: str) -> bytes:
    if not _NAME.fullmatch(name):
        raise BadAddress(f"{name[:40]!r} is no header name; letters, digits and hyphens, as in X-Order.")
    lines, current = [], f"{name}:"
    for piece in _PIECE.findall(value):
        piece = piece if piece.startswith(" ") else " " + piece
        if len(current) + len(piece) > _SOFT and current != f"{name}:":
            lines.append(current)
            current = ""
        current += piece
    return ("\r\n".join([*lines, current]) + "\r\n").encode()
