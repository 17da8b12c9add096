"""Sender Policy Framework: may this client send for this domain (RFC 7208)?

Own code, because the one library for it has had no release since 2020 and takes no resolver from outside. The published test suite
(`tests/mail/signed/spf-rfc7208-tests.yml`) is what it is measured by.
"""

import ipaddress
import logging
from dataclasses import dataclass, field

from webapp.mail.authentication import spf_macros, spf_terms
from webapp.mail.authentication.questions import Found, Lookup, Questions, can_exist
from webapp.mail.authentication.spf_macros import Address, BadMacro, Context
from webapp.mail.authentication.spf_terms import BadRecord, Record, Term

logger = logging.getLogger("mailroom.authentication")

#: terms that ask the DNS, and answers without a record, in one evaluation (RFC 7208 section 4.6.4)
MOST_LOOKUPS, MOST_VOID = 10, 2
#: names behind one `mx` or `ptr`
MOST_NAMES = 10


@dataclass(frozen=True)
class SpfResult:
    """What came out.

    result       none, neutral, pass, fail, softfail, temperror or permerror (RFC 7208 section 2.6)
    domain       that was asked about
    identity     `mailfrom` or `helo`
    reason       why, in words: the term that matched, or what went wrong
    explanation  what the domain wants senders to be told when it says fail; it is their text, not ours
    """

    result: str
    domain: str = ""
    identity: str = "mailfrom"
    reason: str = ""
    explanation: str = ""


class _Ended(Exception):
    """An evaluation that cannot go on: temperror or permerror, and why."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result, self.reason = result, reason


@dataclass
class _Check:
    """One evaluation through all records that it leads to."""

    questions: Questions
    context: Context
    lookups: int = 0
    voids: int = 0
    proven: dict[str, str] = field(default_factory=dict)

    def record_of(self, domain: str) -> Record | None:
        """The record of a domain, None without one. raises _Ended"""
        answer = self.questions.ask(domain, "TXT")
        if answer.is_trouble:
            raise _Ended("temperror", f"the DNS did not answer about {domain}")
        records = [value for value in answer.values if spf_terms.is_record(value)]
        if not records:
            return None
        if len(records) > 1:
            raise _Ended("permerror", f"{domain} has {len(records)} SPF records")
        try:
            return spf_terms.read(records[0])
        except BadRecord as error:
            raise _Ended("permerror", f"the record of {domain} is wrong: {error}") from error

    def through(self, domain: str, record: Record, depth: int = 0) -> tuple[str, str, str]:
        """(result, reason, explanation) of a record. raises _Ended"""
        for term in record.terms:
            if self.matches(term, domain, depth):
                words = self.explain(record, domain) if term.result == "fail" and depth == 0 else ""
                return term.result, f"“{term.text}” in the record of {domain}", words
        if not record.redirect:
            return "neutral", f"nothing in the record of {domain} names this client", ""
        self.count()
        target = spf_macros.domain(record.redirect, domain, self.context)
        following = self.record_of(target)
        if following is None:
            raise _Ended("permerror", f"the record of {domain} leads to {target}, which has none")
        return self.through(target, following, depth)

    def count(self) -> None:
        self.lookups += 1
        if self.lookups > MOST_LOOKUPS:
            raise _Ended("permerror", f"the record needs more than {MOST_LOOKUPS} questions to the DNS")

    def ask(self, name: str, type: str) -> Found:
        """An answer that counts when it is empty. raises _Ended"""
        answer = self.questions.ask(name, type)
        if answer.is_trouble:
            raise _Ended("temperror", f"the DNS did not answer about {name}")
        self.voids += answer.status != "ok"
        if self.voids > MOST_VOID:
            raise _Ended("permerror", f"more than {MOST_VOID} names in the record do not exist")
        return answer

    def matches(self, term: Term, domain: str, depth: int) -> bool:
        if term.name == "all":
            return True
        if term.network is not None:
            return self.context.ip.version == term.network.version and self.context.ip in term.network
        self.count()
        target = spf_macros.domain(term.domain, domain, self.context) if term.domain else domain
        if term.name == "include":
            return self.includes(target, domain, depth)
        if term.name == "exists":
            return self.ask(target, "A").status == "ok"
        if term.name == "ptr":
            return any(_is_below(name, target) for name in self.proven_names())
        if term.name == "a":
            return self.is_at(self.ask(target, self.type), term)
        return self.is_mx(target, term)

    @property
    def type(self) -> str:
        return "A" if self.context.ip.version == 4 else "AAAA"

    def includes(self, target: str, domain: str, depth: int) -> bool:
        record = self.record_of(target)
        if record is None:
            raise _Ended("permerror", f"the record of {domain} includes {target}, which has none")
        return self.through(target, record, depth + 1)[0] == "pass"

    def is_mx(self, target: str, term: Term) -> bool:
        hosts = [value.partition(" ")[2].strip() for value in self.ask(target, "MX").values]
        if len(hosts) > MOST_NAMES:
            raise _Ended("permerror", f"{target} has more than {MOST_NAMES} mail servers")
        for host in hosts:
            answer = self.questions.ask(host, self.type)
            if answer.is_trouble:
                raise _Ended("temperror", f"the DNS did not answer about {host}")
            if self.is_at(answer, term):
                return True
        return False

    def is_at(self, answer: Found, term: Term) -> bool:
        prefix = term.four if self.context.ip.version == 4 else term.six
        for value in answer.values:
            try:
                network = ipaddress.ip_network(f"{value}/{prefix}", strict=False)
            except ValueError:
                continue
            if self.context.ip in network:
                return True
        return False

    def proven_names(self) -> list[str]:
        """Names of the client's reverse address that lead back to it; trouble on the way is no error (RFC 7208 section 5.5)."""
        names = self.questions.ask(self.context.ip.reverse_pointer, "PTR").values[:MOST_NAMES]
        here = Term("", "a", "")
        return [name.removesuffix(".") for name in names if self.is_at(self.questions.ask(name, self.type), here)]

    def explain(self, record: Record, domain: str) -> str:
        if not record.exp:
            return ""
        answer = self.questions.ask(spf_macros.domain(record.exp, domain, self.context), "TXT")
        if len(answer.values) != 1:
            return ""
        try:
            return spf_macros.explanation(answer.values[0], domain, self.context)
        except BadMacro:
            return ""


def check_host(ip: str, mail_from: str, helo: str, lookup: Lookup | Questions, *, receiver: str = "") -> SpfResult:
    """May the client at `ip` send as `mail_from`? An empty one asks about the name in HELO (RFC 7208 section 2.4).

    ip        IPv4 or IPv6; an IPv4 address inside IPv6 counts as IPv4
    receiver  our own host name, for the explanation
    """
    identity = "mailfrom" if mail_from else "helo"
    local, _, domain = mail_from.rpartition("@")
    domain = (domain if mail_from else helo).removesuffix(".")
    questions = lookup if isinstance(lookup, Questions) else Questions(lookup)
    address = _address(ip)
    if address is None:
        return SpfResult("none", domain, identity, "the address of the client is not known")
    if "." not in domain or not can_exist(domain) or domain.startswith("["):
        return SpfResult("none", domain, identity, "there is no domain to ask about")
    context = Context(address, f"{local or 'postmaster'}@{domain}", helo, receiver, lambda name: _proven(check, name))
    check = _Check(questions, context)
    try:
        record = check.record_of(domain)
        if record is None:
            return SpfResult("none", domain, identity, f"{domain} has no SPF record")
        result, reason, explanation = check.through(domain, record)
    except _Ended as ended:
        return SpfResult(ended.result, domain, identity, ended.reason)
    except RecursionError:
        return SpfResult("permerror", domain, identity, "the record leads in circles")
    return SpfResult(result, domain, identity, reason, explanation)


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _is_below(name: str, domain: str) -> bool:
    name, domain = name.lower(), domain.lower()
    return name == domain or name.endswith(f".{domain}")


def _proven(check: _Check, domain: str) -> str:
    """The value of %{p}: the name itself, else one below it, else any, else `unknown` (RFC 7208 section 7.3)."""
    names = check.proven_names()
    same = [name for name in names if name.lower() == domain.lower()]
    return (same + [name for name in names if _is_below(name, domain)] + names + ["unknown"])[0]
