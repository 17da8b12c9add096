"""What can be done with domains: add, look up, change, delete, restore. Proving them is in `verification`."""

import secrets
from typing import Any

from sqlalchemy.orm import selectinload

from webapp.audit import service as audit
from webapp.core import counters, live, trash
from webapp.core.actor import Actor
from webapp.core.config import settings
from webapp.core.db import db, utcnow
from webapp.core.errors import Conflict, Forbidden, InUse, Invalid, invalid
from webapp.core.paging import Page, PageRequest, capped_count, paginate
from webapp.domains import arrangements, checks, keys, state_counts
from webapp.domains.keys import signing_keys
from webapp.domains.models import Domain
from webapp.domains.residents import residents
from webapp.domains.rows import find_domain, get_seen, known_names, seen, snapshot, target
from webapp.domains.taken import unless_taken
from webapp.domains.verification import verify_domain
from webapp.mail import dns_records
from webapp.mail.address import BadAddress, is_valid_domain

__all__ = [
    "bring_back", "check_name", "count_problems", "create_domain", "delete_domain", "find_domain", "get_domain", "get_for_dns",
    "get_seen", "known_names", "list_domains", "list_with_states", "name_domains", "purge_domain", "records", "restore_domain", "seen",
    "signing_keys", "snapshot", "target", "update_domain", "verify_domain",
]  # fmt: skip

#: states of the DNS that somebody should do something about
PROBLEMS = ("missing", "different")
#: how many mailboxes a refusal names
NAMED = 20
SORTABLE = {
    "id": Domain.id, "name": Domain.name, "domain": Domain.name, "status": Domain.status, "created_at": Domain.id,
    "mailboxes_count": Domain.mailbox_count, "mailbox_count": Domain.mailbox_count, "verified_at": Domain.verified_at,
}  # fmt: skip


def check_name(text: str, field: str = "name") -> str:
    """The name in ASCII, lower case, without final dot. raises Invalid about `field`"""
    try:
        return is_valid_domain(text.strip().removesuffix("."))
    except BadAddress as error:
        raise invalid(field, f"{error} Write it as in example.com.") from None


def create_domain(actor: Actor, *, name: str, note: str | None = None, mail_hosting: str = "trekmail") -> Domain:
    """Add a domain, waiting for its proof, with a fresh DKIM key; its first DNS check begins at once.

    raises  Invalid about name (malformed, or somebody has it: reason `domain_already_connected`), Forbidden for a limited token
    """
    actor.require("domains:create")
    if actor.domain_ids is not None or actor.mailbox_ids is not None:
        raise Forbidden("This token is limited to certain domains or mailboxes, so it cannot add one.", code="domain_scope_forbidden")
    clean = check_name(name)
    holder = find_domain(clean)
    if holder is not None:
        raise _taken(clean, holder.workspace_id == actor.workspace_id)
    domain = Domain(
        workspace_id=actor.workspace_id, name=clean, note=note or None, verify_token=secrets.token_hex(16), mail_hosting=mail_hosting
    )
    domain.keys.append(keys.first_key(domain))
    with unless_taken("name", f"{clean} was added by somebody else at this moment."):
        db.session.add(domain)
    checks.plan(domain, "added")
    audit.record(actor, "domain.create", target(domain), after=snapshot(domain))
    live.notify(actor.workspace_id, "domains-changed")
    return domain


def _taken(name: str, here: bool) -> Invalid:
    text = f"{name} is one of your domains already." if here else f"{name} is set up in another workspace of this installation."
    hint = "Choose another domain, or delete it where it is set up."
    return Invalid(text, fields={"name": [text]}, hint=hint, more={"reason": "domain_already_connected"})


def list_domains(actor: Actor, asked: PageRequest, filters: dict[str, Any] | None = None) -> Page[Domain]:
    """Domains, newest first. filters: status, verified (bool), dns (a state, or problems), search (part of name or note)"""
    return list_with_states(actor, asked, filters)[0]


def list_with_states(actor: Actor, asked: PageRequest, filters: dict[str, Any] | None = None) -> tuple[Page[Domain], dict[str, int]]:
    """`list_domains`, and how many living domains the whole workspace has in all and in each state; two queries for both."""
    actor.require("domains:read")
    given = {name: value for name, value in (filters or {}).items() if value not in (None, "")}
    query = seen(actor).options(selectinload(Domain.keys))
    if status := given.get("status"):
        query = query.where(Domain.status == status)
    if (verified := given.get("verified")) is not None:
        query = query.where(Domain.verified_at.is_not(None) if verified else Domain.verified_at.is_(None))
    if (dns := given.get("dns")) is not None:
        query = query.where(Domain.dns_status.in_(PROBLEMS if dns == "problems" else [dns]))
    if search := given.get("search"):
        query = query.where(Domain.name.icontains(search, autoescape=True) | Domain.note.icontains(search, autoescape=True))
    names = {"all": "domains", **{state: state_counts.name(Domain, state) for state in ("active", "pending_dns")}}
    numbers = counters.read_many(actor.workspace_id, list(names.values()))
    states = {state: numbers[name] for state, name in names.items()}
    total = states["all"] if not given and actor.domain_ids is None and actor.mailbox_ids is None else None
    page = paginate(query, asked, sortable=SORTABLE, default="id", tie=Domain.id, total=total, descending=asked.sort_by is None)
    return page, states


def count_problems(actor: Actor) -> int:
    """Of the domains that the actor sees, how many lack a record that they must have, or have a wrong one; at most 1,000 are counted."""
    return capped_count(seen(actor).where(Domain.dns_status.in_(PROBLEMS)))[0]


def name_domains(actor: Actor, limit: int) -> list[tuple[int, str]]:
    """(id, name) of the first domains by name, for selects."""
    actor.require("domains:read")
    rows = db.session.execute(seen(actor).with_only_columns(Domain.id, Domain.name).order_by(Domain.name).limit(limit))
    return [(row.id, row.name) for row in rows]


def get_domain(actor: Actor, domain_id: int, *, for_update: bool = False) -> Domain:
    """raises NotFound, also for one outside the limits of the token"""
    actor.require("domains:read")
    return get_seen(actor, domain_id, for_update=for_update)


def update_domain(actor: Actor, domain_id: int, changes: dict[str, Any]) -> Domain:
    """Change note (text or None), catch_all ({enabled, destination}) and refuse_unproven.

    raises  Invalid about name (it never changes) and about catch_all.destination (no mailbox of this workspace)
    """
    actor.require("domains:write")
    domain = get_seen(actor, domain_id, for_update=True)
    before = snapshot(domain)
    if "name" in changes and check_name(changes["name"]) != domain.name:
        raise invalid("name", "A domain keeps its name, since addresses and keys hang on it. Add the other name as a domain of its own.")
    if "note" in changes:
        domain.note = changes["note"] or None
    if "catch_all" in changes:
        arrangements.set_catch_all(domain, **(changes["catch_all"] or {"enabled": False}))
    if changes.get("refuse_unproven") is not None:
        domain.refuse_unproven = changes["refuse_unproven"]
    db.session.flush()
    if snapshot(domain) != before:
        audit.record(actor, "domain.update", target(domain), before=before, after=snapshot(domain))
        live.notify(actor.workspace_id, "domains-changed")
    return domain


def delete_domain(actor: Actor, domain_id: int, force: bool = False) -> Domain:
    """Put a domain into the trash; with `force` its mailboxes go along.

    raises  InUse with their list while it has mailboxes
    """
    actor.require("domains:delete")
    domain = get_seen(actor, domain_id, for_update=True)
    if domain.mailbox_count and not force:
        raise _in_use(actor, domain)
    moment = utcnow()
    gone = residents().take_along(actor, domain, moment) if domain.mailbox_count else 0
    domain.deleted_at = moment
    checks.drop(domain)
    db.session.flush()
    after = {"deleted_at": moment, "mailboxes_taken_along": gone}
    audit.record(actor, "domain.delete", target(domain), before=snapshot(domain), after=after)
    live.notify(actor.workspace_id, "domains-changed")
    return domain


def _in_use(actor: Actor, domain: Domain) -> InUse:
    named = residents().some(actor, domain.id, NAMED)
    count = domain.mailbox_count
    names = ", ".join(one.name for one in named[:3]) + (" …" if count > 3 else "")
    text = f"{domain.name} has {count} {'mailbox' if count == 1 else 'mailboxes'}: {names}."
    return InUse(text, more={"used_by": [{"type": "mailbox", "id": one.id, "name": one.name} for one in named], "used_by_count": count})


def restore_domain(actor: Actor, domain: Domain) -> None:
    """Before a domain comes back from the trash: its name must be free; mailboxes that went with it come back too. raises Conflict"""
    if find_domain(domain.name) is not None:
        raise Conflict(f"{domain.name} is set up again meanwhile.", hint="Delete that one first, or keep it.")
    if domain.deleted_at is not None:
        residents().bring_back(actor, domain, domain.deleted_at)
    checks.plan(domain, "added")
    live.notify(domain.workspace_id, "domains-changed")


def bring_back(actor: Actor, domain_id: int) -> Domain:
    """Take a domain out of the trash. raises NotFound (it is not there), Conflict (its name is in use again)"""
    actor.require("trash:write")
    domain: Domain = trash.restore(actor, "domain", domain_id)
    audit.record(actor, "domain.restore", target(domain))
    return domain


def purge_domain(domain: Domain) -> None:
    """Remove a trashed domain for good, once nothing is left below it."""
    if not residents().remain(domain.id):
        db.session.delete(domain)


def records(domain: Domain) -> list[dns_records.Record]:
    """What the owner of the name publishes so that mail arrives and is believed."""
    living = [key for key in domain.keys if key.state != "retired"]
    published = [dns_records.PublicKey(key.selector, key.public, key.algorithm, key.state == "active") for key in living]
    hostname = settings().hostname
    return dns_records.records_for(domain.name, hostname, published, domain.verify_token, hosted=domain.is_hosted)


def get_for_dns(actor: Actor, domain_id: int) -> Domain:
    """A domain for somebody who may see its DNS records."""
    actor.require("domains:dns:read")
    return get_seen(actor, domain_id)
