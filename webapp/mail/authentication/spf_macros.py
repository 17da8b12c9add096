"""Macros of SPF records: is a text well formed, and what does it stand for (RFC 7208 section 7)."""

import ipaddress
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_DELIMITERS = "-.+,/_="
_LITERAL = r"[\x21-\x24\x26-\x7e]"
_EXPAND = rf"%(?:\{{[{{letters}}][1-9]?[0-9]*[rR]?[{re.escape(_DELIMITERS)}]*\}}|[%_-])"
_HERE = _EXPAND.replace("{letters}", "slodiphvSLODIPHV")
_EXPLAINING = _EXPAND.replace("{letters}", "slodiphvcrtSLODIPHVCRT")
_STRING = re.compile(rf"(?:{_LITERAL}|{_HERE})*\Z")
_EXPLANATION = re.compile(rf"(?:{_LITERAL}|[ ]|{_EXPLAINING})*\Z")
_ENDS_IN_MACRO = re.compile(r"%\{[^}]*\}\Z")
_TOP_LABEL = re.compile(r"\.(?=[0-9A-Za-z-]*[A-Za-z-])[0-9A-Za-z](?:[0-9A-Za-z-]*[0-9A-Za-z])?\.?\Z")
_MACRO = re.compile(rf"%(?:\{{([A-Za-z])([0-9]*)([rR]?)([{re.escape(_DELIMITERS)}]*)\}}|([%_-]))")
#: an expanded name that is longer loses labels on the left (RFC 7208 section 7.3)
_LONGEST_NAME = 253


class BadMacro(ValueError):
    """A text that the grammar does not know."""


@dataclass(frozen=True)
class Context:
    """What the letters stand for.

    proven  the name of the client proven by its reverse address, asked only when %{p} is met
    """

    ip: Address
    sender: str
    helo: str
    receiver: str
    proven: Callable[[str], str]


def check_string(text: str) -> None:
    """raises  BadMacro when a text is no macro-string"""
    if not _STRING.match(text):
        raise BadMacro(f"“{text}” holds a macro that does not exist")


def check_domain(text: str) -> None:
    """raises  BadMacro when a text is no domain-spec: a macro-string that ends in a label with a letter, or in a macro"""
    check_string(text)
    if not _ENDS_IN_MACRO.search(text) and not _TOP_LABEL.search(text):
        raise BadMacro(f"“{text}” is no domain name")


def domain(text: str, name: str, context: Context) -> str:
    """The name that a domain-spec stands for, cut from the left when it is too long."""
    found = _expand(text, name, context).removesuffix(".")
    while len(found) > _LONGEST_NAME and "." in found:
        found = found.partition(".")[2]
    return found


def explanation(text: str, name: str, context: Context) -> str:
    """The words of an explanation.

    raises  BadMacro
    """
    if not text.isascii() or not _EXPLANATION.match(text):
        raise BadMacro("the explanation cannot be read")
    return _expand(text, name, context)


def _expand(text: str, name: str, context: Context) -> str:
    def one(found: re.Match[str]) -> str:
        letter, digits, reverse, delimiters, escaped = found.groups()
        if escaped:
            return {"%": "%", "_": " ", "-": "%20"}[escaped]
        parts = re.split(f"[{re.escape(delimiters or '.')}]", _value(letter.lower(), name, context))
        if reverse:
            parts.reverse()
        if digits:
            parts = parts[-min(int(digits), 128) :]
        value = ".".join(parts)
        return quote(value, safe="-._~") if letter.isupper() else value

    return _MACRO.sub(one, text)


def _value(letter: str, name: str, context: Context) -> str:
    local, _, domain_of_sender = context.sender.rpartition("@")
    values: dict[str, Callable[[], str]] = {
        "s": lambda: context.sender,
        "l": lambda: local,
        "o": lambda: domain_of_sender,
        "d": lambda: name,
        "i": lambda: _dotted(context.ip),
        "p": lambda: context.proven(name),
        "v": lambda: "in-addr" if context.ip.version == 4 else "ip6",
        "h": lambda: context.helo,
        "c": lambda: str(context.ip),
        "r": lambda: context.receiver or "unknown",
        "t": lambda: str(int(time.time())),
    }
    return values[letter]()


def _dotted(ip: Address) -> str:
    return str(ip) if ip.version == 4 else ".".join(ip.exploded.replace(":", "").upper())
