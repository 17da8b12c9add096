"""MTA-STS (RFC 8461): the record that announces a policy, the policy itself, and which hosts it allows. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

MODES = ("enforce", "testing", "none")
#: longest time that a policy may be kept, in seconds: a year and a bit (RFC 8461 section 3.2)
LONGEST_AGE_S = 31_557_600
#: what is read of a policy
MOST_BYTES = 65_536
_RECORD = re.compile(r"v=STSv1\s*;\s*id=([A-Za-z0-9]{1,32})\s*;?(?:\s*[A-Za-z0-9][\w.-]*=[^;]*;?)*\s*\Z")
_PATTERN = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?\Z")


class BadPolicy(ValueError):
    """A text that is no policy."""


@dataclass(frozen=True)
class Policy:
    """What a domain asks of those who send to it.

    mode   enforce, testing or none
    mx     names of its hosts, some with `*.` in front, in lower case
    """

    mode: str
    mx: tuple[str, ...]
    max_age_s: int


def record_id(values: Sequence[str]) -> str | None:
    """The id in the TXT records of `_mta-sts.<domain>`; None unless exactly one of them announces a policy (section 3.1)."""
    found = [value for value in values if value.strip().startswith("v=STSv1")]
    match = _RECORD.match(found[0].strip()) if len(found) == 1 else None
    return match[1] if match else None


def policy_url(domain: str) -> str:
    """Where the policy lies (section 3.3)."""
    return f"https://mta-sts.{domain}/.well-known/mta-sts.txt"


def read_policy(text: str) -> Policy:
    """A policy from its text (section 3.2). raises BadPolicy"""
    fields: dict[str, str] = {}
    hosts: list[str] = []
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        if not colon:
            if line.strip():
                raise BadPolicy(f"a line without a colon: {line.strip()[:60]!r}")
        elif name == "mx":
            hosts.append(value.lower().rstrip("."))
        else:
            fields.setdefault(name, value)
    if fields.get("version") != "STSv1":
        raise BadPolicy("the version is not STSv1")
    mode, age = fields.get("mode", ""), fields.get("max_age", "")
    if mode not in MODES:
        raise BadPolicy(f"the mode {mode[:30]!r} is none of {', '.join(MODES)}")
    if not re.fullmatch(r"[0-9]{1,10}", age):
        raise BadPolicy("max_age is not a number of seconds")
    if mode != "none" and not hosts:
        raise BadPolicy("it names no mx")
    if not all(_PATTERN.match(host) for host in hosts):
        raise BadPolicy("an mx is not a host name")
    return Policy(mode, tuple(hosts), min(int(age), LONGEST_AGE_S))


def allows(policy_mx: Sequence[str], host: str) -> bool:
    """Whether a host is one of the policy's; `*.` stands for exactly one label (section 4.1)."""
    name = host.lower().rstrip(".")
    _, _, above = name.partition(".")
    return any(name == pattern or (pattern.startswith("*.") and above == pattern[2:]) for pattern in policy_mx)
