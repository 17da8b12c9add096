"""The ways out, one small file each: `capture` (nothing leaves), `smtp` (one host), `mx` (the recipients' own hosts); and `local`.

A transport says in which state a new delivery begins and makes the carrier of a process; the carrier keeps connections and hands letters
over, destination by destination. `local` is none: a recipient of this installation is a row of the database, written in the transaction
that records it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from webapp.mail.smtp_lanes import Supply
from webapp.mail.smtp_pipe import Ear


class Report(Ear, Protocol):
    """Who hears what becomes of letters, and why some have to wait."""

    def later(self, until: datetime, reason: str) -> None:
        """What is left of this destination's letters was not tried and waits until then."""


class Carrier(Protocol):
    """Keeps the connections of one transport; threads call it, each with another destination."""

    #: whether a destination that hangs is left out of further claims; not where there is but one
    one_by_one: bool

    def destination(self, domain: str) -> str:
        """The name under which recipients at this domain share connections and limits."""

    def carry(self, destination: str, letters: Supply, report: Report, stop: Callable[[], bool]) -> None:
        """Hand letters over until none is left or `stop` says so; what stays in `letters` was not tried. Never raises."""

    def close(self, idle_s: float = 0.0) -> None:
        """Say good-bye on connections that have been idle so long; never raises."""


@dataclass(frozen=True)
class Transport:
    """The platform's way out as the settings name it.

    first_state  what a new delivery begins with: queued, captured or held
    held_reason  why rows that wait are held while this is the way out; None where mail goes
    notice       a sentence for pages while mail does not leave; None where it does
    open         makes a carrier; None where nothing is sent
    """

    name: str
    first_state: str
    held_reason: str | None = None
    notice: str | None = None
    open: Callable[[], Carrier] | None = None
