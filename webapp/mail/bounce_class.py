"""What a refusal means: its words, its enhanced code (RFC 3463) and its SMTP code become one class, and whether to give the address up.

Words come first, because servers give the same code for everything, and the code decides where the words say nothing.
"""

from __future__ import annotations

import re

from webapp.mail.bounce_words import WORDS, BounceClass

#: An enhanced code on its own: not a piece of an IP address or of a version.
STATUS = re.compile(r"(?<![\d.#-])#?([245]\.[0-9]{1,2}\.[0-9]{1,3})(?![\d.]\d|\d)")
#: An SMTP reply code at the beginning of a reply.
REPLY = re.compile(r"(?<![\d.#/_-])(?<!\d:)([45][0-5]\d)(?=[\s,-]|$|:)(?!-\d+-)")
_LONGEST = 4000

_NOT_TAKEN = re.compile(r"recipient(?: address)? rejected|rejected recipient|address rejected|not like recipient", re.I)
_MEANINGS = [(kind, re.compile("|".join(patterns), re.I)) for kind, patterns in WORDS]
#: names in a text, which may hold any of the words above
_NAMES = re.compile(r"https?://\S+|[^\s<>:]{1,100}@[^\s<>]{1,255}|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,6}\b")

#: RFC 3463 section 3 and the IANA registry: the subject and detail of a code, for both permanent and passing failures.
_BY_STATUS: dict[str, BounceClass] = {
    "1.1": "unknown-recipient", "1.2": "unknown-host", "1.3": "unknown-recipient", "1.4": "unknown-recipient", "1.6": "unknown-recipient",
    "1.10": "unknown-recipient", "1.0": "unknown-recipient", "1.9": "policy", "0.1": "unknown-recipient",
    "2.0": "policy", "2.1": "recipient-disabled", "2.2": "mailbox-full", "2.3": "too-big", "2.4": "unknown-recipient",
    "3.0": "server-fault", "3.1": "server-fault", "3.2": "server-fault", "3.3": "server-fault", "3.5": "server-fault",
    "4.1": "timeout", "4.2": "timeout", "4.3": "timeout", "4.4": "unknown-host", "4.5": "rate-limited", "4.6": "server-fault",
    "4.7": "timeout",
    "5.0": "server-fault", "5.1": "server-fault", "5.2": "server-fault", "5.3": "rate-limited", "5.4": "server-fault",
    "5.5": "server-fault",
    "6.0": "content", "6.1": "content", "6.2": "content", "6.3": "content", "6.6": "content",
    "7.0": "policy", "7.1": "policy", "7.2": "policy", "7.5": "auth", "7.7": "policy", "7.8": "auth", "7.9": "auth",
    "7.20": "auth", "7.21": "auth", "7.22": "auth", "7.23": "auth", "7.24": "auth", "7.27": "unknown-host",
    "7.28": "rate-limited",
}  # fmt: skip
#: codes that mean one thing, whatever words come with them
_SURE: dict[str, BounceClass] = {"1.7": "policy", "1.8": "policy", "7.25": "blocked", "7.26": "auth", "3.4": "too-big"}
_BY_REPLY: dict[str, BounceClass] = {
    "421": "timeout", "450": "server-fault", "451": "server-fault", "452": "mailbox-full", "500": "server-fault", "501": "server-fault",
    "502": "server-fault", "503": "server-fault", "521": "unknown-host", "530": "auth", "535": "auth",
    "551": "unknown-recipient", "552": "mailbox-full", "556": "unknown-host",
}  # fmt: skip
#: What speaks about the address or its domain for good; the rest may be taken another day, or from another sender.
_FINAL = ("unknown-recipient", "unknown-host", "recipient-disabled")


def class_of(text: str, status: str = "", reply: str = "") -> BounceClass:
    """The class of a refusal.

    text     what the refusing server or the reporting one wrote
    status   the enhanced code of the report, as `5.1.1`; an exact code in the text counts for more than a vague one here
    reply    the SMTP code
    """
    told = " ".join(_NAMES.sub(" ", text[:_LONGEST]).split())
    detail = status.partition(".")[2]
    if detail in _SURE:
        return _SURE[detail]
    for kind, pattern in _MEANINGS:
        if pattern.search(told):
            return kind
    known = _BY_STATUS.get(detail) or ("policy" if detail.startswith("7.") else None)
    return known or ("unknown-recipient" if _NOT_TAKEN.search(told) else _BY_REPLY.get(reply, "other"))


def is_permanent(status: str = "", reply: str = "") -> bool:
    """Whether the report calls the failure permanent; one without any code does."""
    return (status or reply or "5")[0] == "5"


def is_hard(kind: BounceClass, status: str = "", reply: str = "") -> bool:
    """Whether the address should not be mailed again: the failure is permanent, and it is the address that failed."""
    return is_permanent(status, reply) and kind in _FINAL


def status_in(text: str) -> str:
    """The enhanced code that says most in a text: one with a detail rather than `5.0.0`, or than `4.4.7`, which only says that the time was
    up; empty when there is none."""
    failed = [hit[1] for hit in STATUS.finditer(text[:_LONGEST]) if hit[1][0] != "2"]
    exact = [code for code in failed if not code.endswith((".0", ".4.7"))]
    return (exact or failed or [""])[0]


def reply_in(text: str) -> str:
    """The SMTP code in a text; empty when there is none."""
    found = REPLY.search(text[:_LONGEST])
    return found[1] if found else ""
