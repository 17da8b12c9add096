"""Reading what stands in the DNS: answers, texts with and without the quotation marks of a web form, tag lists, host names."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Protocol

#: strings as a zone file writes them, one or several
_ZONE_FORM = re.compile(r'\s*"(?:[^"\\]|\\.)*"(?:\s+"(?:[^"\\]|\\.)*")*\s*\Z', re.S)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.S)
#: names that an alias may lead through before it counts as a circle
MOST_ALIASES = 8


class Answer(Protocol):
    """What a resolver said: as `webapp.core.dns.DnsAnswer`."""

    @property
    def values(self) -> list[str]: ...
    @property
    def status(self) -> str: ...
    @property
    def resolver(self) -> str: ...
    @property
    def ttl_s(self) -> int: ...
    @property
    def is_certain(self) -> bool: ...


#: (name, type) -> answer; never raises
Ask = Callable[[str, str], Answer]


def is_quoted(text: str) -> bool:
    """Whether quotation marks are part of the value: somebody typed them into a form that adds its own."""
    return _ZONE_FORM.match(text) is not None


def unquoted(text: str) -> str:
    """A value without such quotation marks; several strings are joined, as resolvers do (RFC 7208 section 3.3)."""
    if not is_quoted(text):
        return text.strip()
    return "".join(re.sub(r"\\(.)", r"\1", piece) for piece in _STRING.findall(text)).strip()


def tags(text: str) -> dict[str, str]:
    """A list `name=value; name=value` (RFC 6376 section 3.2); names in lower case, the first of equal ones counts.

    >>> tags(" v=DKIM1;k=rsa ; p=AB CD;")
    {'v': 'DKIM1', 'k': 'rsa', 'p': 'AB CD'}
    """
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals and name.strip():
            found.setdefault(name.strip().lower(), value.strip())
    return found


def same_base64(one: str, other: str) -> bool:
    """Whether two texts are the same bytes, however they are folded or padded."""
    one, other = re.sub(r"\s+", "", one), re.sub(r"\s+", "", other)
    return one.rstrip("=") == other.rstrip("=") or (bool(one) and _bytes(one) is not None and _bytes(one) == _bytes(other))


def _bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def host(text: str) -> str:
    """A host name for comparing: lower case, no final dot."""
    return text.strip().lower().removesuffix(".")


def mx_hosts(answer: Answer) -> list[tuple[int, str]]:
    """(priority, host) of each MX, the first one asked first; what cannot be read is left out."""
    found = []
    for value in answer.values:
        priority, _, name = value.strip().partition(" ")
        if priority.isdigit():
            found.append((int(priority), host(name) or "."))
    return sorted(found)


def addresses(name: str, ask: Ask) -> tuple[set[str], bool]:
    """Every address of a name, and whether both questions were answered."""
    answers = [ask(name, type) for type in ("A", "AAAA")]
    found: set[str] = set()
    for answer in answers:
        for value in answer.values:
            try:
                found.add(str(ipaddress.ip_address(value.strip())))
            except ValueError:
                continue
    return found, all(answer.is_certain for answer in answers)


def some(values: Sequence[str], most: int = 3) -> str:
    """The first few of a list, in words."""
    shown = ", ".join(short(value) for value in values[:most])
    return f"{shown} and {len(values) - most} more" if len(values) > most else shown


def short(text: str, most: int = 80) -> str:
    clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[: most + 1])
    return clean if len(clean) <= most else clean[: most - 1] + "…"
