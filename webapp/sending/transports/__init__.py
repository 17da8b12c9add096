"""The ways out, one small file each: `capture` (nothing leaves), `smtp` (one host), `mx` (not there yet), and `local` beside them.

A transport says in which state a new delivery begins and opens lanes; a lane hands one mail after the other over on a kept connection.
`local` is no lane: a recipient of this installation is a row of the database, written in the transaction that records it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from webapp.mail.smtp_out import SendResult


@dataclass(frozen=True)
class Parcel:
    """One mail for one recipient, ready for the wire."""

    delivery_id: int
    envelope_sender: str
    recipient: str
    raw: bytes


class Lane(Protocol):
    """A way that is kept open while there is something to send."""

    #: where it leads, as host:port
    host: str

    def send(self, parcel: Parcel, on_wire: Callable[[], None]) -> SendResult:
        """Hand one mail over; `on_wire` is called before the first byte of its body. Failures come back as results, never raised."""

    def close(self) -> None:
        """Say good-bye; never raises."""


@dataclass(frozen=True)
class Transport:
    """The platform's way out as the settings name it.

    first_state  what a new delivery begins with: queued, captured or held
    held_reason  why rows that wait are held while this is the way out; None where mail goes
    notice       a sentence for pages while mail does not leave; None where it does
    open         makes a lane; None where nothing is sent
    """

    name: str
    first_state: str
    held_reason: str | None = None
    notice: str | None = None
    open: Callable[[], Lane] | None = None
