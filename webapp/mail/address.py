"""Addresses: one answer to "is this an address, and is it the same as that one" for every door.

Rules, suppression lists, allow lists, pages, REST and SMTP all ask here. Reserved names and single labels are fine, and nobody asks DNS.
Headers full of addresses, which anybody may write, are read in `address_list.py`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from email.header import Header
from functools import lru_cache

import idna

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*\Z")
_QUOTED = re.compile(r'"((?:[^"\\\x00-\x1f\x7f]|\\[ -~\u0080-\U0010ffff])*+)"\Z')
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
#: Line ends in the eyes of somebody: CR, LF, NUL and what Unicode calls a line or paragraph end (C-68).
_LINE_ENDS = re.compile("[\r\n\x00\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
_MAX_LOCAL, _MAX_TOTAL = 64, 254


class BadAddress(ValueError):
    """The text is not an address that mail can be sent to; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address in its one normal form: `text` is `local@domain`, lower case, NFC, domain in ASCII."""

    local: str
    domain: str
    text: str


def parse_address(text: str) -> Address:
    """The address in normal form: no display name, no comment, no route.

    A quoted local part that needs no quotes loses them, so that both spellings are one address.
    raises   BadAddress with a sentence for people
    source   RFC 5321 section 4.1.2, RFC 6531 section 3.3
    """
    plain = text.strip(" \t")
    if not plain:
        raise BadAddress("The address is empty.")
    if len(plain) > 1000:
        raise BadAddress("The address is longer than 254 characters.")
    if _LINE_ENDS.search(plain):
        raise BadAddress("The address holds a line break or another control character.")
    local, at, domain = plain.rpartition("@")
    if not at:
        raise BadAddress(f"“{_short(plain)}” has no @. An address looks like name@domain.")
    local = _local(local, plain)
    name = is_valid_domain(domain)
    whole = f"{local}@{name}"
    if len(whole.encode()) > _MAX_TOTAL:
        raise BadAddress("The address is longer than 254 characters.")
    return Address(local, name, whole)


def normalise(text: str) -> str:
    """The text of `parse_address`; two addresses are the same when this is equal."""
    return parse_address(text).text


def is_valid_domain(name: str) -> str:
    """The domain in lower-case ASCII (IDNA 2008 with UTS 46 mapping); raises BadAddress when it cannot be one."""
    return _domain(name.strip(" \t"))


def split_plus(local: str) -> tuple[str, str | None]:
    """`name+tag` as (name, tag); (local, None) without a tag. Quoted local parts and those that begin with + have none."""
    base, plus, tag = local.partition("+")
    if not plus or not base or local.startswith('"'):
        return local, None
    return base, tag


def display_address(text: str) -> str:
    """An address with its domain in letters rather than `xn--`, for people; the text itself when that cannot be done."""
    local, at, domain = text.rpartition("@")
    if "xn--" not in domain:
        return text
    try:
        return local + at + idna.decode(domain)
    except (idna.IDNAError, UnicodeError):
        return text


def clean_header(value: str, what: str) -> str:
    """The value, when it can stand in one header line; raises ValueError that names `what` for line ends and NUL of any kind (C-68)."""
    if _LINE_ENDS.search(value):
        raise ValueError(f"{what} holds a line break or another control character. Write it on one line.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} holds a broken character.") from None
    return value


def format_address(name: str, addr: str) -> str:
    """`Name <addr>` for a header: quoted or encoded (RFC 2047) where needed; only the address when there is no name.

    raises   ValueError when name or address hold a line end; the address is otherwise written as it is
    """
    clean_header(addr, "The address")
    if re.search(r"[<>\s]", addr) and not addr.startswith('"'):
        raise BadAddress(f"“{_short(addr)}” cannot be written in a header.")
    name = clean_header(name, "The name").strip()
    if not name:
        return addr
    if not name.isascii() or "=?" in name or re.search(r"[\x00-\x1f\x7f]", name):
        return f"{Header(name, 'utf-8', maxlinelen=10000).encode(maxlinelen=0)} <{addr}>"
    if re.search(r"[^A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]", name):
        name = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return f"{name} <{addr}>"


def _local(local: str, plain: str) -> str:
    if not local:
        raise BadAddress(f"“{_short(plain)}” has nothing before the @.")
    if local.startswith('"'):
        quoted = _QUOTED.match(local)
        if not quoted:
            raise BadAddress(f"The part before the @ in “{_short(plain)}” has a quotation mark that does not fit.")
        inner = re.sub(r"\\(.)", r"\1", quoted[1])
    elif "@" in local:
        raise BadAddress(f"“{_short(plain)}” has more than one @.")
    elif not _DOT_ATOM.match(local):
        raise BadAddress(f"The part before the @ in “{_short(plain)}” holds a character or a dot that is not allowed there.")
    else:
        inner = local
    inner = unicodedata.normalize("NFC", unicodedata.normalize("NFC", inner).lower())
    for char in inner:
        if ord(char) > 126 and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"):
            raise BadAddress(f"The part before the @ in “{_short(plain)}” holds an invisible character.")
    plain_form = bool(_DOT_ATOM.match(inner))
    written = inner if plain_form else '"' + re.sub(r'(["\\])', r"\\\1", inner) + '"'
    if len(written.encode()) > _MAX_LOCAL:
        raise BadAddress("The part before the @ is longer than 64 characters.")
    return written


@lru_cache(maxsize=4096)
def _domain(name: str) -> str:
    if not name:
        raise BadAddress("The domain is empty.")
    if len(name) > 255 or _LINE_ENDS.search(name):
        raise BadAddress("The domain is longer than 253 characters or holds a control character.")
    lower = name.lower()
    if not lower.isascii() or "xn--" in lower:
        try:
            lower = idna.encode(name, uts46=True).decode("ascii").lower()
        except (idna.IDNAError, UnicodeError):
            raise BadAddress(f"“{_short(name)}” is not a domain name.") from None
    labels = lower.split(".")
    if len(lower) > 253 or not all(_LABEL.match(label) for label in labels):
        raise BadAddress(f"“{_short(name)}” is not a domain name.")
    if labels[-1].isdigit():
        raise BadAddress(f"“{_short(name)}” is a number or an IP address, not a domain name.")
    return lower


def _short(text: str) -> str:
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:81])
    return shown if len(shown) <= 80 else shown[:79] + "…"
