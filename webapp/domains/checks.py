"""DNS checks as rows: planned, asked for, read. Who works on them is `watch`, what they find goes through `findings`."""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select

from webapp.audit import service as audit
from webapp.core import live, queue
from webapp.core.actor import Actor
from webapp.core.db import database_now, db
from webapp.core.errors import NotFound
from webapp.core.lookup import find_mine
from webapp.core.paging import Page, PageRequest, keyset
from webapp.domains import schedule
from webapp.domains.models import DnsCheck, Domain
from webapp.domains.rows import get_seen, seen, target

DRAIN = "domains.check"
LIVE_EVENT = "domains-changed"
#: how long finished checks are kept, the last one of each domain for ever
KEPT = timedelta(days=30)


def open_check(domain_id: int) -> DnsCheck | None:
    """The one that waits or runs."""
    return db.session.scalar(select(DnsCheck).where(DnsCheck.domain_id == domain_id, DnsCheck.status == "pending"))


def last_check(domain_id: int) -> DnsCheck | None:
    """The last one that was completed."""
    done = select(DnsCheck).where(DnsCheck.domain_id == domain_id, DnsCheck.status == "complete")
    return db.session.scalar(done.order_by(DnsCheck.id.desc()).limit(1))


def plan(domain: Domain, reason: str, at: datetime | None = None) -> DnsCheck:
    """The open check of a domain, made or brought forward to `at` (None: now). The caller holds the lock of the domain's row.

    One that runs already stays as it is: what it finds is as fresh as can be.
    """
    now = database_now()
    due = at or now
    check = open_check(domain.id)
    if check is None:
        check = DnsCheck(workspace_id=domain.workspace_id, domain_id=domain.id, reason=reason, due_at=due)
        db.session.add(check)
    elif check.started_at is None and check.due_at > due:
        check.due_at, check.reason = due, reason
    domain.next_check_at = check.due_at
    if reason != "schedule":
        domain.watched_since = now
    db.session.flush()
    if check.due_at <= now:
        queue.ring(DRAIN)
    live.notify(domain.workspace_id, LIVE_EVENT)
    return check


def drop(domain: Domain) -> None:
    """No more looks: the domain goes to the trash."""
    db.session.execute(delete(DnsCheck).where(DnsCheck.domain_id == domain.id, DnsCheck.status == "pending"))
    domain.next_check_at = None


def recheck(actor: Actor, domain_id: int) -> DnsCheck:
    """Look all records of a domain up now, in the background."""
    actor.require("domains:dns:recheck")
    domain = get_seen(actor, domain_id, for_update=True)
    check = plan(domain, "asked")
    audit.record(actor, "domain.recheck", target(domain), after={"check_id": check.id})
    return check


def get_check(actor: Actor, check_id: int) -> DnsCheck:
    """raises NotFound, also when the domain is out of sight"""
    actor.require("domains:dns:read")
    check = find_mine(actor, DnsCheck, check_id)
    if check is None or db.session.scalar(seen(actor).where(Domain.id == check.domain_id).with_only_columns(Domain.id)) is None:
        raise NotFound(f"There is no DNS check with the id {check_id}.")
    return check


def list_checks(actor: Actor, domain_id: int, asked: PageRequest) -> Page[DnsCheck]:
    """The checks of a domain, newest first, the planned one among them."""
    actor.require("domains:dns:read")
    domain = get_seen(actor, domain_id)
    return keyset(select(DnsCheck).where(DnsCheck.domain_id == domain.id), asked, keys=[DnsCheck.id])


def has_due() -> bool:
    """Whether a check waits for a worker, or lost the one it had."""
    now = database_now()
    free = (DnsCheck.lease_until.is_(None)) | (DnsCheck.lease_until < now)
    return db.session.scalar(select(DnsCheck.id).where(DnsCheck.status == "pending", DnsCheck.due_at <= now, free).limit(1)) is not None


def plan_missing(limit: int = 500) -> int:
    """Plan a look at living domains that have none planned, spread over an hour; returns how many. The caller commits."""
    lacking = select(Domain).where(
        Domain.deleted_at.is_(None), ~select(DnsCheck.id).where(DnsCheck.domain_id == Domain.id, DnsCheck.status == "pending").exists()
    )
    domains = list(db.session.scalars(lacking.order_by(Domain.id).limit(limit).with_for_update(of=Domain, skip_locked=True)))
    now = database_now()
    for number, domain in enumerate(domains):
        plan(domain, "schedule", now + schedule.HOURLY * (number / max(1, len(domains))))
    return len(domains)


def forget_old(limit: int = 5000) -> int:
    """Remove finished checks that are older than `KEPT`, except the last of each domain; returns how many."""
    newest = select(func.max(DnsCheck.id)).where(DnsCheck.status == "complete").group_by(DnsCheck.domain_id)
    old = select(DnsCheck.id).where(DnsCheck.finished_at < database_now() - KEPT, DnsCheck.id.not_in(newest)).limit(limit)
    gone = list(db.session.scalars(old))
    if gone:
        db.session.execute(delete(DnsCheck).where(DnsCheck.id.in_(gone)), execution_options={"synchronize_session": False})
    return len(gone)
