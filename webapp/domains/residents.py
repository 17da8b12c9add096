"""What lives below a domain. Mailboxes are a feature above this one, so they sign in here (`webapp.mailboxes.listeners`)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from webapp.core.actor import Actor
from webapp.domains.models import Domain


@dataclass(frozen=True)
class Resident:
    """One mailbox of a domain, as pages and refusals name it."""

    id: int
    name: str
    status: str


@dataclass(frozen=True)
class Residents:
    """How domains ask about the mailboxes below them.

    some         (actor, domain id, limit) -> the first of them by address, as far as the actor sees them
    domains_of   mailbox ids -> ids of their domains
    takes_mail   (workspace id, address) -> whether a living mailbox there has the address
    take_along   (actor, domain, moment) puts them into the trash with the domain; returns how many went
    bring_back   (actor, domain, moment) takes those out again that went at that moment; returns how many came
    remain       domain id -> whether any row is left, the trash included
    """

    some: Callable[[Actor, int, int], list[Resident]]
    domains_of: Callable[[frozenset[int]], set[int]]
    takes_mail: Callable[[int, str], bool]
    take_along: Callable[[Actor, Domain, datetime], int]
    bring_back: Callable[[Actor, Domain, datetime], int]
    remain: Callable[[int], bool]


_signed_in: list[Residents] = []


def sign_in(residents: Residents) -> None:
    """Called once at start-up, and again by each further application of a process."""
    _signed_in[:] = [residents]


def residents() -> Residents:
    return _signed_in[0]
