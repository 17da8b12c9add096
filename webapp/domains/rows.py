"""Reaching domains: the rows that an actor sees, and how a row is named and remembered in the audit log."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, select

from webapp.audit.service import Target
from webapp.core.actor import Actor
from webapp.core.bulk import among
from webapp.core.db import db
from webapp.core.errors import NotFound
from webapp.core.lookup import mine
from webapp.domains.models import Domain
from webapp.domains.residents import residents
from webapp.mail.address import BadAddress, is_valid_domain


def seen(actor: Actor) -> Select[Any]:
    """The living domains that the actor sees: its workspace's, within the limits of its token."""
    query: Select[Any] = mine(actor, Domain)
    if actor.domain_ids is not None:
        query = query.where(Domain.id.in_(actor.domain_ids))
    if actor.mailbox_ids is not None:
        query = query.where(Domain.id.in_(residents().domains_of(actor.mailbox_ids)))
    return query


def get_seen(actor: Actor, domain_id: int, *, for_update: bool = False) -> Domain:
    """raises NotFound, also for one outside the limits of the token"""
    query = seen(actor).where(Domain.id == domain_id)
    found: Domain | None = db.session.scalar(query.with_for_update().execution_options(populate_existing=True) if for_update else query)
    if found is None:
        raise NotFound(f"There is no domain with the id {domain_id}.", fields={"domain_id": ["There is no such domain."]})
    return found


def find_domain(name: str) -> Domain | None:
    """The living domain of that name in any workspace, for mail that comes in or goes out."""
    try:
        clean = is_valid_domain(name.removesuffix("."))
    except BadAddress:
        return None
    return db.session.scalar(select(Domain).where(Domain.name == clean, Domain.deleted_at.is_(None)))


def known_names(names: Iterable[str]) -> set[str]:
    """Those of these names, in ASCII and lower case, that are living domains of any workspace; one query."""
    query = select(Domain.name).where(among(Domain.name, names), Domain.deleted_at.is_(None))
    return set(db.session.scalars(query))


def target(domain: Domain) -> Target:
    return Target("domain", domain.id, domain.name)


def snapshot(domain: Domain) -> dict[str, Any]:
    """What the audit log keeps of a domain."""
    return {
        "name": domain.name, "status": domain.status, "verified_at": domain.verified_at, "verified_by_hand": domain.verified_by_hand,
        "note": domain.note, "mail_hosting": domain.mail_hosting,
        "catch_all_enabled": domain.catch_all_enabled, "catch_all_destination": domain.catch_all_destination,
        "refuse_unproven": domain.refuse_unproven,
    }  # fmt: skip
