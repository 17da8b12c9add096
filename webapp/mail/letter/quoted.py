"""Quoted-printable for pieces of a body that are put together later (RFC 2045 section 6.7).

Every piece begins at the beginning of a line and may be followed by a soft line break: between pieces stands `FENCE`, so that no piece
can move a line of another. No line of the result begins with a dot (nothing to stuff, RFC 5321 section 4.5.2) or with "From "
(nothing for mailbox files to change), and none is longer than 76 characters with the fence.
"""

import binascii
import re

#: a soft line break
FENCE = b"=\r\n"
_LONGEST = 75
#: bytes that need no encoding in any place of a letter: text, HTML, attribute, body. A value of these alone goes in as it is
HARMLESS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 @_+:/?;,()#!$%*-.|~"
_SHORT = 70
_TABLE = [bytes([code]) if 32 <= code < 127 and code != 61 else b"=%02X" % code for code in range(256)]
_MOVED = re.compile(rb"^(?:\.|From )", re.M)


def is_harmless(data: bytes) -> bool:
    """Whether a value can stand on a line of its own in every place without any encoding."""
    return not data.translate(None, HARMLESS) and len(data) <= _SHORT and data[:1] not in (b".", b" ") and data[:5] != b"From "


def quoted(text: str) -> bytes:
    """The piece encoded, with CRLF. Line ends of the text are LF."""
    data = text.encode("utf-8", "replace")
    if is_harmless(data):
        return data
    easy = binascii.b2a_qp(data, quotetabs=False, istext=True, header=False)
    # b2a_qp writes up to 78 characters where a line ends with a blank.
    if not _MOVED.search(easy) and b"\t" not in data and b"\r" not in data:
        lines = easy.split(b"\n")
        if len(lines[-1]) <= _LONGEST and max(map(len, lines)) <= _LONGEST + 1:
            return b"\r\n".join(lines)
    return b"\r\n".join(_line(line) for line in data.split(b"\n"))


def _line(line: bytes) -> bytes:
    """One line of text as one or more lines."""
    tokens = [_TABLE[code] for code in line]
    if tokens and tokens[-1] == b" ":
        tokens[-1] = b"=20"
    lines: list[bytes] = []
    current: list[bytes] = []
    length = 0
    for index, token in enumerate(tokens):
        if length + len(token) > _LONGEST:
            lines.append(b"".join(current))
            current, length = [], 0
        if not length and (token == b"." or (token == b"F" and line[index : index + 5] == b"From ")):
            token = b"=%02X" % token[0]
        current.append(token)
        length += len(token)
    lines.append(b"".join(current))
    return b"=\r\n".join(lines)
