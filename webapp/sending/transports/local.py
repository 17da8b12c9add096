"""Recipients of this installation: their mail goes into their mailbox, under every transport. Intake, which stands above, fills this in."""

from collections.abc import Callable
from dataclasses import dataclass

from webapp.mail.smtp_out import SendResult
from webapp.sending.models import Delivery, Outgoing

#: the name that stands as host at such deliveries
HOST = "local"


@dataclass
class Local:
    """The two questions to intake; both are asked inside the caller's transaction and must not commit."""

    is_local: Callable[[str], bool]
    deliver: Callable[[Outgoing, Delivery, bytes], SendResult]


_here = Local(is_local=lambda address: False, deliver=lambda outgoing, delivery, raw: _nobody(delivery))


def register_local(is_local: Callable[[str], bool], deliver: Callable[[Outgoing, Delivery, bytes], SendResult]) -> None:
    """Hand in how to recognise a recipient of this installation and how to deliver to it.

    is_local  a normalised address: does a mailbox here take it?
    deliver   stores the copy in the current transaction (no commit) and answers with outcome sent, retry or failed
    """
    _here.is_local, _here.deliver = is_local, deliver


def is_local(address: str) -> bool:
    return _here.is_local(address)


def deliver(outgoing: Outgoing, delivery: Delivery, raw: bytes) -> SendResult:
    return _here.deliver(outgoing, delivery, raw)


def _nobody(delivery: Delivery) -> SendResult:
    return SendResult(delivery.recipient, "retry", None, "nothing takes local mail in this process", [], 0.0)
