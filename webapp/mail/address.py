"""Addresses: one answer to "is this an address, and is it the same as that one" for every door.

Rules, suppression lists, allow lists, pages, REST and SMTP all ask here. Reserved names and single labels are fine, and nobody asks DNS.
Headers full of addresses may be written by anybody: reading one never raises, takes time linear in it, and decodes names only after the
structure is known, so that an encoded comma or angle bracket cannot make an address (RFC 2047 section 6.2).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna

from webapp.mail.charsets import decode_words, encode_words, one_line

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*\Z")
_QUOTED = re.compile(r'"((?:[^"\\\x00-\x1f\x7f]|\\[ -~\u0080-\U0010ffff])*+)"\Z')
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
#: Line ends in the eyes of somebody: CR, LF, NUL and what Unicode calls a line or paragraph end (C-68).
_LINE_ENDS = re.compile("[\r\n\x00\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
_MAX_LOCAL, _MAX_TOTAL = 64, 254

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


def is_address(text: str) -> bool:
    """Whether `parse_address` takes it."""
    try:
        parse_address(text)
    except BadAddress:
        return False
    return True


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
    if not name.isascii() or "=?" in name or re.search(r"[\x00-\x1f\x7f]|[^ ]{200}", name):
        return f"{encode_words(name)} <{addr}>"
    if re.search(r"[^A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]", name):
        name = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return f"{name} <{addr}>"


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
        address = _normal(text)
        if "<" in address:  # a quotation mark that never ends has swallowed the brackets
            address = next((_normal(hit[0]) for hit in _LOOKS_LIKE.finditer(address)), address)
        found.append((comment, address))


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
