"""Does an SPF record let this server send, and does it stay within what receivers evaluate (RFC 7208)?

The record is walked as a receiver would, with the addresses of our host name as the client; texts that name us count as well, so that a
record is right before our name resolves. Nothing here opens a connection: `ask` does.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from webapp.mail.dns_text import Ask, addresses, host, mx_hosts

#: terms that make a receiver ask the DNS; more in one evaluation are an error (RFC 7208 section 4.6.4)
MOST_LOOKUPS = 10
#: where our own walk gives up
FURTHEST = 40
VERSION = "v=spf1"
_TERM = re.compile(r"(?P<sign>[+?~-]?)(?P<name>[a-z][a-z0-9._-]*)(?:(?P<mark>[:=])(?P<value>.*?))?(?P<cidr>(?:/\d+)?(?://\d+)?)\Z", re.I)
#: how strict `all` is, the laxest first
_STRICTNESS = "+?~-"


def is_spf(text: str) -> bool:
    """Whether a TXT value is an SPF record (RFC 7208 section 4.5)."""
    words = text.split(None, 1)
    return bool(words) and words[0].lower() == VERSION


@dataclass
class Reading:
    """What a walk through the record brought.

    result    + - ~ ? for our server by the first term that matches, "" when none does
    by        that term, and in which record it stands
    lookups   how many questions the whole record makes a receiver ask
    unsure    names that could not be asked
    broken    what is wrong with it, in words
    open      whether it lets everybody send
    """

    result: str = ""
    by: str = ""
    lookups: int = 0
    unsure: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    open: bool = False


@dataclass(frozen=True)
class _Term:
    sign: str
    name: str
    mark: str
    value: str
    cidr: str
    text: str


def read(record: str, domain: str, hostname: str, ask: Ask) -> Reading:
    """Walk a record of `domain` on behalf of `hostname`."""
    own, certain = addresses(hostname, ask)
    walk = _Walk(host(hostname), {ipaddress.ip_address(text) for text in own}, ask)
    if not certain:
        walk.reading.unsure.append(hostname)
    walk.reading.result, walk.reading.by = walk.through(record, host(domain), (host(domain),))
    return walk.reading


class _Walk:
    def __init__(self, hostname: str, own: set[ipaddress.IPv4Address | ipaddress.IPv6Address], ask: Ask) -> None:
        self.hostname, self.own, self.ask = hostname, own, ask
        self.reading = Reading()

    def through(self, record: str, domain: str, path: tuple[str, ...]) -> tuple[str, str]:
        """(sign, term) of the first term that matches us, ("", "") when none does; the whole record is counted."""
        found, redirect = ("", ""), None
        for term in _terms(record):
            if term is None:
                continue
            if term.mark == "=":
                redirect = term.value if term.name == "redirect" else redirect
                continue
            if term.name == "all":
                self.reading.open |= term.sign == "+" and not found[0]
                return found if found[0] else (term.sign, term.text)
            if self._matches(term, domain, path) and not found[0]:
                found = (term.sign, f"{term.text} in the record of {domain}" if len(path) > 1 else term.text)
        if redirect is not None:
            nested = self._nested(host(redirect), path, "redirect")
            return found if found[0] else nested
        return found

    def _matches(self, term: _Term, domain: str, path: tuple[str, ...]) -> bool:
        if term.name in ("ip4", "ip6"):
            return self._in_network(f"{term.value}{term.cidr}")
        if term.name not in ("a", "mx", "include", "exists", "ptr"):
            self._say(f"“{term.text}” is no term of SPF")
            return False
        self.reading.lookups += 1
        target = host(term.value) or domain
        if term.name in ("exists", "ptr") or "%" in target or self.reading.lookups > FURTHEST:
            return False
        if term.name == "include":
            return self._nested(target, path, "include", counted=True)[0] == "+"
        if term.name == "a":
            return target == self.hostname or self._is_ours(target, term.cidr)
        answer = self.ask(target, "MX")
        if not answer.is_certain:
            self.reading.unsure.append(target)
        hosts = [name for _, name in mx_hosts(answer)]
        return self.hostname in hosts or any(self._is_ours(name, term.cidr) for name in hosts[:MOST_LOOKUPS])

    def _nested(self, target: str, path: tuple[str, ...], how: str, counted: bool = False) -> tuple[str, str]:
        self.reading.lookups += not counted
        if target in path:
            self._say(f"{how} of {target} goes in circles")
            return "", ""
        if self.reading.lookups > FURTHEST or "%" in target:
            return "", ""
        answer = self.ask(target, "TXT")
        if not answer.is_certain:
            self.reading.unsure.append(target)
            return "", ""
        records = [value for value in answer.values if is_spf(value)]
        if len(records) != 1:
            many = "no SPF record" if not records else f"{len(records)} SPF records"
            self._say(f"{how}:{target} leads to {many}")
            return "", ""
        return self.through(records[0], target, (*path, target))

    def _is_ours(self, name: str, cidr: str) -> bool:
        """Whether one of our addresses is, or lies in the network around, an address of a name."""
        if not self.own or name == ".":
            return False
        found, certain = addresses(name, self.ask)
        if not certain:
            self.reading.unsure.append(name)
        four, _, six = cidr.partition("//")
        for text in found:
            wide = f"/{six}" if ":" in text and six else four if ":" not in text else ""
            if self._in_network(f"{text}{wide}"):
                return True
        return False

    def _in_network(self, text: str) -> bool:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            self._say(f"“{text}” is no network")
            return False
        return any(address.version == network.version and address in network for address in self.own)

    def _say(self, what: str) -> None:
        if what not in self.reading.broken:
            self.reading.broken.append(what)


def _terms(record: str) -> Iterable[_Term | None]:
    for word in record.split()[1:]:
        found = _TERM.match(word)
        if found is None:
            yield None
            continue
        yield _Term(found["sign"] or "+", found["name"].lower(), found["mark"] or "", found["value"] or "", found["cidr"] or "", word)


def with_us(record: str, hostname: str) -> str:
    """The record with our host as its first term."""
    words = record.split()
    return " ".join([VERSION, f"a:{hostname}", *words[1:]])


def merged(records: Iterable[str], hostname: str) -> str:
    """One record out of several: every term once, our host among them, and of their ends the milder, but none that lets everybody send."""
    seen: dict[str, str] = {}
    ends, redirects = [], []
    for record in records:
        for word in record.split()[1:]:
            if word.lstrip(_STRICTNESS).lower() == "all":
                ends.append(word[0] if word[0] in _STRICTNESS else "+")
            elif word.lower().startswith("redirect="):
                redirects.append(word)
            else:
                seen.setdefault(word.lower(), word)
    ours = f"a:{hostname}"
    terms = list(seen.values()) if {ours, f"+{ours}"} & set(seen) else [ours, *seen.values()]
    if ends:
        return " ".join([VERSION, *terms, min((end for end in ends if end != "+"), key=_STRICTNESS.index, default="~") + "all"])
    return " ".join([VERSION, *terms, *(redirects[:1] or ["~all"])])
