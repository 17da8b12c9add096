"""The Authenticated Received Chain (RFC 8617 section 5.2): did every server that passed the mail on seal what it saw?

The result says that the chain is whole, not that its sealers are honest; nothing is let in because of it.
"""

import re
from dataclasses import dataclass, field

from webapp.mail.authentication import keys
from webapp.mail.authentication.dkim_verify import check_signature
from webapp.mail.authentication.questions import Questions
from webapp.mail.authentication.signed_mail import Field, SignedMail, Unproven, number, octets, required, strict_tags

SEAL, SIGNATURE, RESULTS = b"arc-seal", b"arc-message-signature", b"arc-authentication-results"
MOST_SETS = 50
_INSTANCE = re.compile(r"[1-9][0-9]?\Z")
_RESULTS = re.compile(rb"\s*i\s*=\s*([1-9][0-9]?)\s*;\s*[^\s;]")


@dataclass(frozen=True)
class ArcResult:
    """What the chain comes to.

    result   none, pass, fail, or temperror when a key could not be asked for
    sealers  the domains that sealed it, the first one first
    """

    result: str
    reason: str = ""
    sealers: list[str] = field(default_factory=list)


@dataclass
class _Set:
    """What one server added."""

    fields: dict[bytes, Field] = field(default_factory=dict)
    tags: dict[bytes, dict[str, str]] = field(default_factory=dict)


def verify(mail: SignedMail, questions: Questions) -> ArcResult:
    """Check the whole chain; the newest message signature alone, since forwarders may change what the older ones signed."""
    if not any(mail.named(name) for name in (SEAL, SIGNATURE, RESULTS)):
        return ArcResult("none")
    sealers: list[str] = []
    try:
        sets = _sets(mail)
        sealers = [found.tags[SEAL].get("d", "").lower() for found in sets]
        for instance, found in enumerate(sets, 1):
            _check_form(instance, found)
        newest = sets[-1]
        # without c= the published suite reads relaxed, unlike DKIM
        check_signature(mail, newest.fields[SIGNATURE], {"c": "relaxed/relaxed"} | newest.tags[SIGNATURE], questions)
        for instance in range(len(sets), 0, -1):
            _check_seal(sets[:instance], questions)
    except Unproven as error:
        return ArcResult("temperror" if error.result == "temperror" else "fail", error.reason, sealers)
    return ArcResult("pass", f"{len(sets)} {'seal' if len(sets) == 1 else 'seals'}", sealers)


def _sets(mail: SignedMail) -> list[_Set]:
    """The sets by instance; each whole, none missing. raises Unproven"""
    if len(mail.named(SEAL)) > MOST_SETS:
        raise Unproven("fail", f"the chain has more than {MOST_SETS} seals")
    found: dict[int, _Set] = {}
    for name in (SEAL, SIGNATURE, RESULTS):
        for line in mail.named(name)[: MOST_SETS + 1]:
            instance, tags = _instance(line)
            one = found.setdefault(instance, _Set())
            if name in one.fields:
                raise Unproven("fail", f"instance {instance} stands twice")
            one.fields[name], one.tags[name] = line, tags
    if sorted(found) != list(range(1, len(found) + 1)) or any(len(one.fields) < 3 for one in found.values()):
        raise Unproven("fail", "a part of the chain is missing")
    return [found[instance] for instance in sorted(found)]


def _instance(line: Field) -> tuple[int, dict[str, str]]:
    if line.name == RESULTS:
        found = _RESULTS.match(line.value)
        if found is None:
            raise Unproven("fail", "the results of a set do not begin with its number")
        return int(found[1]), {}
    tags = strict_tags(line.value)
    if not _INSTANCE.match(tags.get("i", "")):
        raise Unproven("fail", "a part of the chain has no number")
    return int(tags["i"]), tags


def _check_form(instance: int, found: _Set) -> None:
    seal, signature = found.tags[SEAL], found.tags[SIGNATURE]
    required(seal, "a", "b", "cv", "d", "s")
    required(signature, "a", "b", "bh", "d", "s")
    if "h" not in signature or "h" in seal:
        raise Unproven("fail", f"instance {instance} has h= where it must not, or lacks it")
    number(seal, "t")
    number(signature, "t")
    keys.check_algorithm(seal["a"])
    if seal["cv"] != ("none" if instance == 1 else "pass"):
        raise Unproven("fail", f"instance {instance} says that the chain was {seal['cv'][:10]} before it")


def _check_seal(sets: list[_Set], questions: Questions) -> None:
    """The newest seal of these sets: it covers every set before it and its own, itself without its value. raises Unproven"""
    newest = sets[-1]
    tags = newest.tags[SEAL]
    parts = [one.fields[name].canonical("relaxed") + b"\r\n" for one in sets for name in (RESULTS, SIGNATURE, SEAL)]
    parts[-1] = newest.fields[SEAL].unsigned().canonical("relaxed")
    key = keys.find(questions, tags["d"].lower(), tags["s"].lower(), tags["a"])
    if not key.verifies(octets(tags["b"], "a seal"), b"".join(parts)):
        raise Unproven("fail", f"the seal of {tags['d'][:100]} does not hold")
