"""Return paths that name their delivery (VERP): what a mail leaves with as MAIL FROM, and who it is when something comes back to it.

A mail leaves with `b-…@bounce.<domain>` when the domain of its envelope sender is a proven one of the workspace and the last look at its
DNS found the return-path record right; publishing that optional record is how an owner asks for it. Otherwise it leaves with the plain
sender: an address at a name that does not lead here would lose the bounces, and some relays refuse senders that they do not know. Mail
without a sender (reports, answers by machines) keeps none. The stored mail and the ledger keep the plain sender in any case.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import bindparam, func, select

from webapp.core import secrets
from webapp.core.db import db
from webapp.domains.models import DnsCheck, Domain
from webapp.mail import verp
from webapp.mailboxes.addressing import Resolved
from webapp.mailboxes.models import Mailbox
from webapp.sending.models import Delivery
from webapp.sending.settle import Waiting

PURPOSE = "return-path"
RECORD = "return_path"

_LAST = select(func.max(DnsCheck.id)).where(DnsCheck.domain_id == Domain.id, DnsCheck.status == "complete").correlate(Domain)
_CHECKED = (
    select(Domain.workspace_id, Domain.name, DnsCheck.results).join(DnsCheck, DnsCheck.id == _LAST.scalar_subquery())
    .where(Domain.deleted_at.is_(None), Domain.verified_at.is_not(None), Domain.status == "active")
    .where(Domain.name.in_(bindparam("names", expanding=True)))
)  # fmt: skip


def signed(rows: Sequence[Waiting]) -> list[Waiting]:
    """The same rows with the sender that they leave with; one query for all of them."""
    names = {(row.workspace_id, row.envelope_sender.rpartition("@")[2]) for row in rows if row.envelope_sender}
    homes = _homes(names)
    if not homes:
        return list(rows)
    key = secrets.derived(PURPOSE)
    return [row._replace(envelope_sender=_path(row, homes, key)) for row in rows]


def of_all(workspace_id: int, sender: str) -> Callable[[int], str]:
    """What the copies of one mail leave with, by the id of their delivery; its mailbox is there."""
    home = _homes({(workspace_id, sender.rpartition("@")[2])}).get((workspace_id, sender.rpartition("@")[2])) if sender else None
    if home is None:
        return lambda _: sender
    return partial(verp.make_return_path, home, key=secrets.derived(PURPOSE))


def _path(row: Waiting, homes: dict[tuple[int, str], str], key: bytes) -> str:
    home = homes.get((row.workspace_id, row.envelope_sender.rpartition("@")[2])) if row.envelope_sender else None
    if home is None or row.mailbox_id is None:
        return row.envelope_sender
    return verp.make_return_path(home, row.id, key)


def _homes(names: set[tuple[int, str]]) -> dict[tuple[int, str], str]:
    """(workspace, domain) -> the name below it that leads here, where the last finished look at the DNS found one."""
    if not names:
        return {}
    rows = db.session.execute(_CHECKED, {"names": sorted({name for _, name in names})})
    found = {(row.workspace_id, row.name): _host(row.results) for row in rows if (row.workspace_id, row.name) in names}
    return {name: host for name, host in found.items() if host}


def _host(results: list[dict[str, Any]]) -> str:
    """The name of the record, if it was right when somebody last answered."""
    entry: dict[str, Any] = next((one for one in results if one.get("id") == RECORD), {})
    return str(entry.get("host", "")) if entry.get("known", entry.get("state")) == "right" else ""


def read(address: str) -> int | None:
    """The delivery that a return path names; None for every other address, and for one that we did not sign."""
    if address[:2].lower() != "b-":
        return None
    return next((found for key in secrets.all_derived(PURPOSE) if (found := verp.read_return_path(address, key)) is not None), None)


def home_of(address: str) -> Resolved | None:
    """Who takes a bounce for one of our return paths: the mailbox that sent. None for other addresses, and once nobody knows any more."""
    delivery_id = read(address)
    if delivery_id is None:
        return None
    query = select(Mailbox, Domain).join(Delivery, Delivery.mailbox_id == Mailbox.id).join(Domain, Domain.id == Mailbox.domain_id)
    living = Mailbox.deleted_at.is_(None), Domain.deleted_at.is_(None)
    found = db.session.execute(query.where(Delivery.id == delivery_id, *living)).one_or_none()
    return Resolved(found[0], found[1], None) if found is not None else None
