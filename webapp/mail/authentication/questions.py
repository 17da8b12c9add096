"""The questions of one evaluation to the DNS: each asked once, only so many of them, and no answer that raises.

What would go beyond the limit is answered "no such name", never "try again": a sender who makes us ask too much must not end up as a
passing trouble of the resolver.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

#: enough for SPF at its own limits, ten signatures and a chain
MOST_QUESTIONS = 200


class Answer(Protocol):
    """What a resolver said: `webapp.core.dns.DnsAnswer` is one."""

    @property
    def values(self) -> list[str]: ...
    @property
    def status(self) -> str: ...


#: (name, type) -> answer; its status is ok, nxdomain, no_answer, servfail or timeout
Lookup = Callable[[str, str], Answer]


@dataclass(frozen=True)
class Found:
    """An answer in our own hands: texts, and one of the five words."""

    values: list[str] = field(default_factory=list)
    status: str = "nxdomain"

    @property
    def is_trouble(self) -> bool:
        """Whether the resolver is to blame: says nothing about the name."""
        return self.status in ("servfail", "timeout")


class Questions:
    """Asks `lookup`, remembers what it said.

    most  how many different questions may be asked
    """

    def __init__(self, lookup: Lookup, most: int = MOST_QUESTIONS) -> None:
        self._lookup, self._left = lookup, most
        self._known: dict[tuple[str, str], Found] = {}
        self._given_up = False

    def give_up(self) -> None:
        """Ask nothing any more: the answer that decides did not come, so the others would only cost time."""
        self._given_up = True

    def ask(self, name: str, type: str) -> Found:
        """The records of one type under a name; a name that no zone can hold does not exist."""
        key = (name.lower().removesuffix("."), type)
        if key in self._known:
            return self._known[key]
        if not can_exist(key[0]) or self._left <= 0:
            return Found()
        if self._given_up:
            return Found(status="timeout")
        self._left -= 1
        found = self._known[key] = self._asked(*key)
        return found

    def _asked(self, name: str, type: str) -> Found:
        try:
            answer = self._lookup(name, type)
        except Exception:  # noqa: BLE001 - whatever a resolver breaks on, the mail is not to blame
            return Found(status="servfail")
        if answer.status == "ok" and not answer.values:
            return Found(status="no_answer")
        return Found(list(answer.values), answer.status)


def can_exist(name: str) -> bool:
    """Whether a name fits into the DNS: labels of 1 to 63 octets, 253 in all, nothing that cannot be printed."""
    labels = name.split(".")
    return len(name) <= 253 and all(0 < len(label) <= 63 for label in labels) and name.isprintable()
