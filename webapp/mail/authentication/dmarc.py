"""DMARC (RFC 7489, `np=` of RFC 9091): does what SPF or DKIM proved belong to the domain that the reader sees in From, and what if not?"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from publicsuffixlist import PublicSuffixList

from webapp.mail.authentication.dkim_verify import SignatureResult
from webapp.mail.authentication.questions import Questions
from webapp.mail.authentication.spf import SpfResult
from webapp.mail.dns_text import tags

POLICIES = ("none", "quarantine", "reject")


@dataclass(frozen=True)
class Policy:
    """What a domain publishes for mail from `domain`.

    status   found, none (no record applies), temperror
    at       the domain whose record it is
    policy   none, quarantine or reject: p=, or sp= or np= where that applies
    percent  of failing mail to which it applies
    """

    status: str
    domain: str
    at: str = ""
    policy: str = ""
    percent: int = 100
    strict_spf: bool = False
    strict_dkim: bool = False


@dataclass(frozen=True)
class DmarcResult:
    """What came out.

    result       pass, fail, none (no record), temperror, permerror (no single From to ask about)
    domain       of From
    policy       what the domain asks for; "" without a record
    disposition  what it asks for this mail: none, quarantine or reject
    aligned      `spf`, `dkim`, or both: which proof belongs to From, with or without a record
    """

    result: str
    domain: str = ""
    policy: str = ""
    disposition: str = "none"
    aligned: tuple[str, ...] = ()
    reason: str = ""


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@lru_cache(maxsize=4096)
def organisation(domain: str) -> str:
    """The organisational domain by the Public Suffix List; a name that is a suffix itself stands for itself.

    >>> organisation("mail.news.example.co.uk")
    'example.co.uk'
    """
    name = domain.lower().removesuffix(".")
    return _suffixes().privatesuffix(name) or name


def is_aligned(proven: str, domain: str, *, strict: bool) -> bool:
    """Whether a proven domain counts for From (RFC 7489 section 3.1)."""
    proven, domain = proven.lower().removesuffix("."), domain.lower().removesuffix(".")
    return bool(proven) and (proven == domain or (not strict and organisation(proven) == organisation(domain)))


def policy_of(domain: str, questions: Questions) -> Policy:
    """The record that applies to a domain in From: its own, else that of its organisation (RFC 7489 section 6.6.3)."""
    top = organisation(domain)
    for at in dict.fromkeys((domain, top)):
        answer = questions.ask(f"_dmarc.{at}", "TXT")
        if answer.is_trouble:
            return Policy("temperror", domain, at)
        records = [value for value in answer.values if _is_record(value)]
        if len(records) > 1:
            return Policy("none", domain, at)
        if records:
            return _read(records[0], domain, at, questions)
    return Policy("none", domain)


def _is_record(value: str) -> bool:
    name, equals, rest = value.partition("=")
    return bool(equals) and name.strip().lower() == "v" and rest.partition(";")[0].strip() == "DMARC1"


def _read(record: str, domain: str, at: str, questions: Questions) -> Policy:
    found = tags(record)
    policy = found.get("p", "").lower()
    if policy not in POLICIES:
        if not found.get("rua"):
            return Policy("none", domain, at)
        policy = "none"
    if at != domain:
        policy = _below(found.get("sp", "").lower(), policy)
        if found.get("np") and questions.ask(domain, "A").status == "nxdomain":
            policy = _below(found["np"].lower(), policy)
    percent = found.get("pct", "")
    part = min(int(percent), 100) if percent.isascii() and percent.isdigit() and len(percent) < 5 else 100
    return Policy("found", domain, at, policy, part, found.get("aspf", "").lower() == "s", found.get("adkim", "").lower() == "s")


def _below(said: str, otherwise: str) -> str:
    return said if said in POLICIES else otherwise


def judge(policy: Policy, spf: SpfResult, signatures: Iterable[SignatureResult], sample: bytes) -> DmarcResult:
    """Put together what was proven and what the domain asks for.

    A proof that the DNS kept from us makes the result temperror only if it would have counted: whoever sends cannot excuse a mail in the
    name of somebody else by servers of his own that do not answer.

    sample  of the mail; decides alike each time whether it belongs to the `pct=` part
    """
    proofs = [("spf", spf.result, spf.domain, policy.strict_spf)]
    proofs += [("dkim", one.result, one.domain, policy.strict_dkim) for one in signatures]
    belonging = [(how, result) for how, result, domain, strict in proofs if is_aligned(domain, policy.domain, strict=strict)]
    aligned = tuple(dict.fromkeys(how for how, result in belonging if result == "pass"))
    domain, asked = policy.domain, policy.policy
    if policy.status == "temperror":
        return DmarcResult("temperror", domain, aligned=aligned, reason=f"the DNS did not answer about the policy of {policy.at}")
    if policy.status == "none":
        return DmarcResult("none", domain, aligned=aligned, reason=f"{domain} publishes no policy")
    if aligned:
        return DmarcResult("pass", domain, asked, aligned=aligned, reason=f"{' and '.join(how.upper() for how in aligned)} for {domain}")
    if any(result == "temperror" for _, result in belonging):
        return DmarcResult("temperror", domain, asked, reason="the DNS did not answer about a proof that would count")
    return DmarcResult("fail", domain, asked, _disposition(policy, sample), reason=f"neither SPF nor DKIM proves {domain}")


def has_waiting_proof(domain: str, spf: SpfResult, signatures: Iterable[SignatureResult]) -> bool:
    """Whether the DNS kept a proof from us that would have counted for a domain without a policy."""
    proofs = [(spf.result, spf.domain), *((one.result, one.domain) for one in signatures)]
    return any(result == "temperror" and is_aligned(proven, domain, strict=False) for result, proven in proofs)


def _disposition(policy: Policy, sample: bytes) -> str:
    """The policy, or for the part outside `pct=` the next milder one (RFC 7489 section 6.6.4)."""
    if int.from_bytes(hashlib.sha256(sample).digest()[:4], "big") % 100 < policy.percent:
        return policy.policy
    return POLICIES[max(0, POLICIES.index(policy.policy) - 1)]
