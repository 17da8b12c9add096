"""Reading an SPF record: its terms, each checked against the grammar before any is evaluated (RFC 7208 sections 4.6.1, 5, 6)."""

import ipaddress
import re
from dataclasses import dataclass, field

from webapp.mail.authentication.spf_macros import BadMacro, check_domain, check_string

VERSION = "v=spf1"
_TERM = re.compile(r"(?P<sign>[+?~-]?)(?P<name>[A-Za-z][A-Za-z0-9_.-]*)(?P<rest>.*)\Z", re.S)
_CIDR = r"(?:/(?P<four>0|[1-9][0-9]?))?(?://(?P<six>0|[1-9][0-9]{0,2}))?\Z"
_HOST = re.compile(rf"(?::(?P<domain>.*?))?{_CIDR}", re.S)
_RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral", "": "pass"}


class BadRecord(ValueError):
    """A record that cannot be evaluated: the result is permerror."""


@dataclass(frozen=True)
class Term:
    """One mechanism.

    result   what the evaluation comes to when it matches
    name     all, include, a, mx, ptr, ip4, ip6, exists
    domain   its domain-spec, "" when it has none
    network  of ip4 and ip6
    four     prefix length for IPv4 addresses, six for IPv6
    """

    result: str
    name: str
    text: str
    domain: str = ""
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
    four: int = 32
    six: int = 128


@dataclass
class Record:
    """The mechanisms in order, and the two modifiers that mean something."""

    terms: list[Term] = field(default_factory=list)
    redirect: str = ""
    exp: str = ""


def is_record(text: str) -> bool:
    """Whether a TXT value is an SPF record (RFC 7208 section 4.5)."""
    return text.lower() == VERSION or text.lower().startswith(VERSION + " ")


def read(text: str) -> Record:
    """A record in parts.

    raises  BadRecord for anything that the grammar does not allow
    """
    record = Record()
    for word in text[len(VERSION) :].split(" "):
        if not word:
            continue
        found = _TERM.match(word)
        if found is None or not word.isascii():
            raise BadRecord(f"“{word}” is no term of SPF")
        try:
            if found["rest"].startswith("="):
                _modifier(record, found)
            else:
                record.terms.append(_mechanism(word, found))
        except ValueError as error:
            raise BadRecord(str(error)) from error
    return record


def _modifier(record: Record, found: re.Match[str]) -> None:
    name, value = found["name"].lower(), found["rest"][1:]
    if found["sign"]:
        raise BadRecord(f"“{name}=” takes no qualifier")
    if name not in ("redirect", "exp"):
        check_string(value)
        return
    if getattr(record, name):
        raise BadRecord(f"“{name}=” stands twice")
    check_domain(value)
    setattr(record, name, value)


def _mechanism(word: str, found: re.Match[str]) -> Term:
    name, rest, result = found["name"].lower(), found["rest"], _RESULTS[found["sign"]]
    if name == "all" and not rest:
        return Term(result, name, word)
    if name in ("include", "exists") and rest.startswith(":"):
        check_domain(rest[1:])
        return Term(result, name, word, rest[1:])
    if name in ("ip4", "ip6") and rest.startswith(":"):
        return Term(result, name, word, network=_network(name, rest[1:]))
    if name == "ptr" and (not rest or rest.startswith(":")):
        if rest:
            check_domain(rest[1:])
        return Term(result, name, word, rest[1:])
    if name in ("a", "mx") and (parts := _HOST.match(rest)):
        domain = parts["domain"]
        if domain is not None:
            check_domain(domain)
        four, six = int(parts["four"] or 32), int(parts["six"] or 128)
        four, six = (0 if parts["four"] == "0" else four), (0 if parts["six"] == "0" else six)
        if four > 32 or six > 128:
            raise BadRecord(f"“{word}” has a prefix that is too long")
        return Term(result, name, word, domain or "", four=four, six=six)
    raise BadMacro(f"“{word}” is no mechanism of SPF")


def _network(name: str, text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    address, slash, length = text.partition("/")
    if slash and not re.fullmatch(r"0|[1-9][0-9]{0,2}", length):
        raise BadRecord(f"“{text}” is no network")
    if name == "ip4":
        return ipaddress.IPv4Network(text, strict=False)
    if "%" in address:
        raise BadRecord(f"“{text}” is no network")
    return ipaddress.IPv6Network(text, strict=False)
