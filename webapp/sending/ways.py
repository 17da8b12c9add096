"""Which way a mail takes: into a mailbox here, or by the platform's transport."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol

from webapp.core.config import settings
from webapp.domains import service as domains
from webapp.sending.transports import Transport, local
from webapp.sending.transports.capture import CAPTURE
from webapp.sending.transports.mx import mx_transport
from webapp.sending.transports.smtp import smtp_transport


class Addressed(Protocol):
    """Anything with an id and a recipient."""

    @property
    def id(self) -> int: ...

    @property
    def recipient(self) -> str: ...

    @property
    def workspace_id(self) -> int: ...


def platform() -> Transport:
    """The platform's way out as MAILROOM_TRANSPORT names it."""
    found = settings()
    return _read(found.transport, found.hostname)


@lru_cache(maxsize=8)
def _read(transport: str, hostname: str) -> Transport:
    if transport == "capture":
        return CAPTURE
    if transport == "mx":
        return mx_transport(hostname)
    return smtp_transport(transport, hostname)


def local_ones(rows: Sequence[Addressed]) -> set[int]:
    """The ids of those whose recipient has a mailbox here; asks the database, so end the transaction afterwards."""
    here = {workspace_id: _local_of(rows, workspace_id) for workspace_id in {row.workspace_id for row in rows}}
    return {row.id for row in rows if row.recipient in here[row.workspace_id]}


def _local_of(rows: Sequence[Addressed], workspace_id: int) -> set[str]:
    return local_addresses((row.recipient for row in rows if row.workspace_id == workspace_id), workspace_id)


def local_addresses(addresses: Iterable[str], workspace_id: int, names: set[str] | None = None) -> set[str]:
    """Those of the addresses that a mailbox here takes; one question for all domains, and one per address of our own.

    A domain that nobody proved yet counts for mail of its own workspace alone: else whoever adds somebody's domain would get their mail.

    names  the domains of the addresses, for a caller who has them at hand
    """
    ours: dict[str, bool] = {}
    found = set()
    wanted = set(addresses)
    known = domains.known_names(names if names is not None else {address.rpartition("@")[2] for address in wanted})
    for address in wanted if known else ():
        name = address.rpartition("@")[2]
        if name not in known:
            continue
        if name not in ours:
            domain = domains.find_domain(name)
            ours[name] = domain is not None and (domain.is_verified or domain.workspace_id == workspace_id)
        if ours[name] and local.is_local(address):
            found.add(address)
    return found
