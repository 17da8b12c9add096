"""Which way a mail takes: into a mailbox here, or by the platform's transport."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol

from webapp.core.config import settings
from webapp.domains import service as domains
from webapp.sending.transports import Transport, local
from webapp.sending.transports.capture import CAPTURE
from webapp.sending.transports.mx import MX
from webapp.sending.transports.smtp import smtp_transport


class Addressed(Protocol):
    """Anything with an id and a recipient."""

    @property
    def id(self) -> int: ...

    @property
    def recipient(self) -> str: ...


def platform() -> Transport:
    """The platform's way out as MAILROOM_TRANSPORT names it."""
    found = settings()
    return _read(found.transport, found.hostname)


@lru_cache(maxsize=8)
def _read(transport: str, hostname: str) -> Transport:
    if transport == "capture":
        return CAPTURE
    if transport == "mx":
        return MX
    return smtp_transport(transport, hostname)


def local_ones(rows: Sequence[Addressed]) -> set[int]:
    """The ids of those whose recipient has a mailbox here; asks the database, so end the transaction afterwards."""
    here = local_addresses(row.recipient for row in rows)
    return {row.id for row in rows if row.recipient in here}


def local_addresses(addresses: Iterable[str]) -> set[str]:
    """Those of the addresses that a mailbox here takes; one question per domain, and one per address of our own domains."""
    ours: dict[str, bool] = {}
    found = set()
    for address in set(addresses):
        domain = address.rpartition("@")[2]
        if domain not in ours:
            ours[domain] = domains.find_domain(domain) is not None
        if ours[domain] and local.is_local(address):
            found.add(address)
    return found
