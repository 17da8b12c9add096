"""What DKIM and ARC have in common: tag lists, canonical forms, and the bytes that a signature covers (RFC 6376 sections 3.2, 3.4, 3.7)."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from webapp.mail.dkim import relaxed_body, relaxed_value, split

#: a longer header field is not read as a signature
MOST_FIELD_BYTES = 65_536
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_VALUE = re.compile(r"[\x21-\x3a\x3c-\x7e \t\r\n]*\Z")
_OWN_SIGNATURE = re.compile(rb"((?:\A|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
_CANONICAL = re.compile(r"(simple|relaxed)(?:/(simple|relaxed))?\Z")


class Unproven(Exception):
    """A signature that does not hold.

    result  fail, neutral, temperror or permerror (RFC 8601 section 2.7.1)
    """

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result, self.reason = result, reason


@dataclass(frozen=True)
class Field:
    """One header field as it stands: name in lower case, the whole of it without the last CRLF."""

    name: bytes
    line: bytes

    @property
    def value(self) -> bytes:
        return self.line.partition(b":")[2]

    def canonical(self, form: str) -> bytes:
        """Without CRLF at the end (RFC 6376 section 3.4.1 and 3.4.2)."""
        return self.line if form == "simple" else self.name + b":" + relaxed_value(self.value)

    def unsigned(self) -> "Field":
        """The same field with an empty `b=`, as it was when it was signed."""
        return Field(self.name, self.line.partition(b":")[0] + b":" + _OWN_SIGNATURE.sub(rb"\1", self.value, count=1))


class SignedMail:
    """A mail for checking signatures; hashes of the body are kept.

    raw  with CRLF line ends
    """

    def __init__(self, raw: bytes) -> None:
        head, self._body = split(raw)
        self.fields = _fields(head)
        self._named: dict[bytes, list[Field]] = {}
        for field in self.fields:
            self._named.setdefault(field.name, []).append(field)
        self._bodies: dict[str, bytes] = {}
        self._hashes: dict[tuple[str, int | None], bytes] = {}

    def named(self, name: bytes) -> list[Field]:
        """The fields of a name, the topmost first."""
        return self._named.get(name, [])

    def body_hash(self, form: str, length: int | None = None) -> bytes:
        """SHA-256 of the canonical body, or of its first octets."""
        if (form, length) not in self._hashes:
            body = self.body(form)
            self._hashes[form, length] = hashlib.sha256(body if length is None else memoryview(body)[:length]).digest()
        return self._hashes[form, length]

    def body(self, form: str) -> bytes:
        if form not in self._bodies:
            self._bodies[form] = relaxed_body(self._body) if form == "relaxed" else _simple_body(self._body)
        return self._bodies[form]

    def covered(self, names: Iterable[bytes], form: str, own: Field) -> bytes:
        """The bytes that a signature signs: the named fields from the bottom up, then its own without its value (RFC 6376 section 3.7)."""
        left: dict[bytes, int] = {}
        parts = []
        for name in names:
            of_name = self.named(name)
            left[name] = left.get(name, len(of_name)) - 1
            if left[name] >= 0:
                parts.append(of_name[left[name]].canonical(form) + b"\r\n")
        return b"".join([*parts, own.unsigned().canonical(form)])


def _fields(head: bytes) -> list[Field]:
    found = []
    for line in re.split(rb"\r\n(?![ \t])", head):
        name, colon, _ = line.partition(b":")
        if colon:
            found.append(Field(name.rstrip(b" \t").lower(), line))
    return found


def _simple_body(body: bytes) -> bytes:
    end = len(body)
    while end and body[max(end - 2, 0) : end] == b"\r\n":
        end -= 2
    return body[:end] + b"\r\n"


def strict_tags(value: bytes | str) -> dict[str, str]:
    """A tag list to the letter: each name once, nothing between the semicolons but tags.

    raises  Unproven (permerror)
    """
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    if len(text) > MOST_FIELD_BYTES:
        raise Unproven("permerror", "the signature is longer than any real one")
    parts = text.split(";")
    if len(parts) > 1 and not parts[-1].strip():
        parts.pop()
    found: dict[str, str] = {}
    for part in parts:
        name, equals, content = (piece.strip(" \t\r\n") for piece in part.partition("="))
        if not equals or not _NAME.match(name) or not _VALUE.match(content):
            raise Unproven("permerror", "its tags cannot be read")
        if name in found:
            raise Unproven("permerror", f"its tag {name}= stands twice")
        found[name] = content
    return found


def required(tags: dict[str, str], *names: str) -> None:
    """raises  Unproven (permerror) when one is missing or empty"""
    for name in names:
        if not tags.get(name):
            raise Unproven("permerror", f"it has no {name}=")


def forms(tags: dict[str, str]) -> tuple[str, str]:
    """How header and body were made canonical (RFC 6376 section 3.5, `c`)."""
    found = _CANONICAL.match(tags.get("c", "simple/simple"))
    if found is None:
        raise Unproven("permerror", "its c= is unknown")
    return found[1], found[2] or "simple"


def listed(tags: dict[str, str]) -> list[bytes]:
    """The names in `h`, in lower case."""
    return [name.strip(" \t\r\n").lower().encode() for name in tags["h"].split(":")]


def octets(text: str, what: str) -> bytes:
    """Base64 that may be folded.

    raises  Unproven (permerror)
    """
    try:
        return base64.b64decode(re.sub(r"[ \t\r\n]+", "", text), validate=True)
    except (binascii.Error, ValueError):
        raise Unproven("permerror", f"{what} is no base64") from None


def number(tags: dict[str, str], name: str) -> int | None:
    """A decimal number, None when the tag is missing.

    raises  Unproven (permerror)
    """
    if name not in tags:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", tags[name]):
        raise Unproven("permerror", f"its {name}= is no number")
    return int(tags[name])
