"""Verifying DKIM signatures (RFC 6376, RFC 8301, RFC 8463): what each says, and whether it holds."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from webapp.mail.authentication import keys
from webapp.mail.authentication.keys import SigningKey
from webapp.mail.authentication.questions import Questions
from webapp.mail.authentication.signed_mail import Field, SignedMail, Unproven, forms, listed, number, octets, required, strict_tags

HEADER = b"dkim-signature"
#: more signatures of one mail are not looked at
MOST_SIGNATURES = 10
_WORD = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\Z")


@dataclass(frozen=True)
class SignatureResult:
    """What one signature comes to.

    result     pass, fail, neutral, temperror or permerror (RFC 8601 section 2.7.1)
    domain     d=, in lower case; "" when it could not be read
    identity   i=, or @d=
    signature  the first characters of b=, which tell several apart (RFC 6008)
    reason     in words, continuing “The signature does not count: …”; of a pass, the algorithm and the size of the key
    """

    result: str
    domain: str = ""
    selector: str = ""
    identity: str = ""
    signature: str = ""
    reason: str = ""


def verify(
    mail: SignedMail, questions: Questions, now: float, comes_first: Callable[[str], bool] = lambda domain: False
) -> list[SignatureResult]:
    """The results of the signatures, in the order of the mail, ten at most.

    comes_first  says of a domain whether its signatures matter most: they are checked before the limit is reached
    """
    read = [_parsed(field) for field in mail.named(HEADER)[:200]]
    chosen = sorted(range(len(read)), key=lambda index: not comes_first(read[index][1].get("d", "").lower()))[:MOST_SIGNATURES]
    done = {index: _result(mail, *read[index], questions, now) for index in chosen}
    return [done[index] for index in sorted(done)]


def _parsed(field: Field) -> tuple[Field, dict[str, str], Unproven | None]:
    try:
        return field, strict_tags(field.value), None
    except Unproven as error:
        return field, {}, error


def _result(
    mail: SignedMail, field: Field, tags: dict[str, str], wrong: Unproven | None, questions: Questions, now: float
) -> SignatureResult:
    domain, selector = tags.get("d", "").lower(), tags.get("s", "").lower()
    start = re.sub(r"\s+", "", tags.get("b", ""))[:8]
    try:
        if wrong is not None:
            raise wrong
        key = _check(mail, field, tags, questions, now)
        words = f"{tags['a']}, {key.bits} bits" if tags["a"].startswith("rsa") else tags["a"]
        return SignatureResult("pass", domain, selector, _identity(tags), start, words)
    except Unproven as error:
        return SignatureResult(error.result, _shown(domain), _shown(selector), "", start, error.reason)


def _shown(text: str) -> str:
    return text if _WORD.match(text) else ""


def _check(mail: SignedMail, field: Field, tags: dict[str, str], questions: Questions, now: float) -> SigningKey:
    """The key with which it holds. raises Unproven"""
    required(tags, "v", "a", "b", "bh", "d", "h", "s")
    if tags["v"] != "1":
        raise Unproven("permerror", "its version is unknown")
    _check_times(tags, now)
    _check_coverage(mail, tags)
    identity = _identity(tags)
    domain, below = tags["d"].lower(), identity.rpartition("@")[2].lower()
    if below != domain and not below.endswith(f".{domain}"):
        raise Unproven("permerror", "its i= is not within d=")
    if "dns/txt" not in [way.strip() for way in tags.get("q", "dns/txt").split(":")]:
        raise Unproven("permerror", "its key is not in the DNS")
    key = check_signature(mail, field, tags, questions)
    if key.is_strict and below != domain:
        raise Unproven("permerror", "its key is for d= itself, not for names below it")
    return key


def check_signature(mail: SignedMail, field: Field, tags: dict[str, str], questions: Questions) -> SigningKey:
    """What DKIM and ARC check alike: the key, the hash of the body and the signature over the header. The tags it needs must be there.

    raises  Unproven
    """
    keys.check_algorithm(tags["a"])
    if not _WORD.match(tags["d"]) or not _WORD.match(tags["s"]):
        raise Unproven("permerror", "its d= or s= is no name")
    header_form, body_form = forms(tags)
    signature, body_hash = octets(tags["b"], "its b="), octets(tags["bh"], "its bh=")
    length = _length(mail, tags, body_form)
    key = keys.find(questions, tags["d"].lower(), tags["s"].lower(), tags["a"])
    failing = "neutral" if key.is_testing else "fail"
    if mail.body_hash(body_form, length) != body_hash:
        raise Unproven(failing, "the body is not the one that was signed")
    if not key.verifies(signature, mail.covered(listed(tags), header_form, field)):
        raise Unproven(failing, "the header is not the one that was signed")
    return key


def _identity(tags: dict[str, str]) -> str:
    return tags.get("i") or f"@{tags['d']}"


def _check_times(tags: dict[str, str], now: float) -> None:
    signed, expires = number(tags, "t"), number(tags, "x")
    if expires is not None and signed is not None and expires < signed:
        raise Unproven("permerror", "it expires before it was made")
    if expires is not None and expires < now:
        raise Unproven("permerror", "it has expired")


def _check_coverage(mail: SignedMail, tags: dict[str, str]) -> None:
    """Every From of the mail is signed: readers show the one that the signature may have left out (RFC 6376 section 8.15)."""
    signed = listed(tags).count(b"from")
    if not signed:
        raise Unproven("permerror", "it does not sign From")
    if len(mail.named(b"from")) > signed:
        raise Unproven("permerror", "the mail has a From that it does not sign")


def _length(mail: SignedMail, tags: dict[str, str], form: str) -> int | None:
    """`l=`: what covers less than the whole body proves too little (RFC 6376 section 8.2); to cover more is a mistake."""
    length = number(tags, "l")
    if length is None:
        return None
    whole = len(mail.body(form))
    if length > whole:
        raise Unproven("permerror", "it covers more than there is")
    if length < whole:
        raise Unproven("neutral", f"it covers only the first {length} of {whole} bytes of the body")
    return None
