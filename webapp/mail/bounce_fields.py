"""Recipients of a delivery report in its machine-readable form (RFC 3464, for international addresses RFC 6533)."""

from __future__ import annotations

import re

from webapp.mail.address import BadAddress, normalise
from webapp.mail.bounce_class import STATUS
from webapp.mail.bounce_parts import Fields

#: Recipients in one report that are read; a list server's report may be long, a hostile one longer.
MAX_RECIPIENTS = 1000
_HEX = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_LOOSE = re.compile(r"[^\s<>\"();,]+@[^\s<>\"();,:]+")


def recipient_blocks(blocks: list[Fields]) -> list[Fields]:
    """The blocks that speak about a recipient, at most MAX_RECIPIENTS."""
    return [block for block in blocks if block.get("final-recipient") or block.get("original-recipient")][:MAX_RECIPIENTS]


def address_in(value: str) -> str:
    """The address of a typed field such as `rfc822; user@example.com`, in normal form; empty when there is none.

    source   RFC 3464 section 2.1.2, RFC 6533 section 3 (utf-8-addr-xtext)
    """
    kind, semicolon, rest = value.partition(";")
    text = (rest if semicolon else kind).strip()
    if kind.strip().lower() == "utf-8":
        text = _HEX.sub(lambda hit: chr(int(hit[1], 16)) if int(hit[1], 16) < 0x110000 else "\N{REPLACEMENT CHARACTER}", text)
    return clean_address(text)


def clean_address(text: str) -> str:
    """The address in a piece of text, in normal form."""
    text = text.strip().strip("<>").strip()
    try:
        return normalise(text)
    except BadAddress:
        pass
    found = _LOOSE.search(text)
    if not found:
        return ""
    loose = found[0].strip(".'`*[]:\"")
    try:
        return normalise(loose)
    except BadAddress:
        return ""


def typed(value: str) -> str:
    """The text behind the type of a field such as `smtp; 550 no` or `dns; mx.example.com`."""
    kind, semicolon, rest = value.partition(";")
    return rest.strip() if semicolon and re.fullmatch(r"[\w./ -]{1,30}", kind.strip()) else value.strip()


def status_field(value: str) -> str:
    """The enhanced code in a Status field; comments and words around it are ignored."""
    found = STATUS.search(value)
    return found[1] if found else ""
