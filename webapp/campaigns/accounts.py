"""Sending accounts: every mailbox of the workspace is one by itself."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.paging import Page, PageRequest, paginate
from webapp.domains.models import Domain
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.rows import seen

SORTABLE = {"id": Mailbox.id, "email": Mailbox.email, "created_at": Mailbox.created_at}
#: accounts that a select offers
MOST = 500


@dataclass(frozen=True)
class Account:
    """A mailbox as campaigns see it."""

    id: int
    email: str
    name: str
    status: str
    can_send: bool
    #: whether its domain is verified, so that campaigns may write as any address of it
    verified: bool


def list_accounts(actor: Actor, asked: PageRequest, filters: dict[str, Any]) -> Page[Any]:
    """Sending accounts by address. filters: can_send (bool), search (part of the address)"""
    actor.require("campaigns:read")
    query = _query(actor)
    if filters.get("can_send") is not None:
        wanted = filters["can_send"]
        may = Mailbox.can_send.is_(True) & (Mailbox.status == "active")
        query = query.where(may if wanted else ~may)
    if filters.get("search"):
        query = query.where(Mailbox.search_text.contains(str(filters["search"]).lower(), autoescape=True))
    page = paginate(query, asked, sortable=SORTABLE, default="email", tie=Mailbox.id, scalars=False)
    page.items = [_account(row) for row in page.items]
    return page


def usable(actor: Actor, chosen: int | None = None) -> list[Account]:
    """Those that may send now, for a select; the chosen one too where it may not."""
    may = Mailbox.can_send.is_(True) & (Mailbox.status == "active")
    rows = list(db.session.execute(_query(actor).where(may).order_by(Mailbox.email).limit(MOST)))
    if chosen is not None and chosen not in {row.id for row in rows}:
        rows = [*db.session.execute(_query(actor).where(Mailbox.id == chosen)), *rows]
    return [_account(row) for row in rows]


def verified_domains(actor: Actor) -> list[str]:
    """Names of the domains as which campaigns may write."""
    query = select(Domain.name).where(
        Domain.workspace_id == actor.workspace_id, Domain.deleted_at.is_(None), Domain.verified_at.is_not(None), Domain.status == "active"
    )
    return list(db.session.scalars(query.order_by(Domain.name).limit(MOST)))


def _query(actor: Actor) -> Any:
    columns = Mailbox.id, Mailbox.email, Mailbox.display_name, Mailbox.status, Mailbox.can_send, Domain.verified_at, Domain.status
    query: Any = seen(actor).join(Domain, Domain.id == Mailbox.domain_id)
    return query.with_only_columns(*columns)


def _account(row: Any) -> Account:
    mailbox_id, email, name, status, can_send, verified_at, domain_status = row
    verified = verified_at is not None and domain_status == "active"
    return Account(mailbox_id, email, name or "", status, can_send and status == "active", verified)
