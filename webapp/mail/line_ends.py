"""Line ends of a mail: CRLF alone on the wire (RFC 5321 section 2.3.8), whichever way it goes."""

import re

_ANY = re.compile(rb"\r\n|\r|\n")
_LONE_CR = re.compile(rb"\r[^\n]")


def has_bare_line_end(body: bytes) -> bool:
    """Whether a CR or LF stands alone. When each CR is followed by LF and there are as many of both, each LF has its CR."""
    return body.count(b"\r") != body.count(b"\n") or body.endswith(b"\r") or _LONE_CR.search(body) is not None


def with_crlf(body: bytes) -> bytes:
    """The same text with CRLF line ends; a lone CR or LF counts as one."""
    return _ANY.sub(b"\r\n", body) if has_bare_line_end(body) else body
