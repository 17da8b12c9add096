"""Line ends of a mail: CRLF alone on the wire (RFC 5321 section 2.3.8), whichever way it goes."""

import re

_ANY = re.compile(rb"\r\n|\r|\n")


def has_bare_line_end(body: bytes) -> bool:
    """Whether a CR or LF stands alone. Counting finds the usual case without a regular expression."""
    pairs = body.count(b"\r\n")
    return body.count(b"\r") != pairs or body.count(b"\n") != pairs


def with_crlf(body: bytes) -> bytes:
    """The same text with CRLF line ends; a lone CR or LF counts as one."""
    return _ANY.sub(b"\r\n", body) if has_bare_line_end(body) else body
