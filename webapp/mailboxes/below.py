"""What domains ask about the mailboxes below them (`webapp.domains.residents`), and what the trash asks about both."""

from datetime import datetime

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.core import trash
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.domains import residents
from webapp.domains import service as domains
from webapp.domains.models import Domain
from webapp.domains.residents import Resident, Residents
from webapp.mailboxes import contents, service
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.rows import seen, target


def some(actor: Actor, domain_id: int, limit: int) -> list[Resident]:
    """The first mailboxes of a domain, by address."""
    columns = seen(actor).where(Mailbox.domain_id == domain_id).with_only_columns(Mailbox.id, Mailbox.email, Mailbox.status)
    return [Resident(*row) for row in db.session.execute(columns.order_by(Mailbox.email).limit(limit))]


def domains_of(mailbox_ids: frozenset[int]) -> set[int]:
    return set(db.session.scalars(select(Mailbox.domain_id).where(Mailbox.id.in_(mailbox_ids), Mailbox.deleted_at.is_(None))))


def takes_mail(workspace_id: int, email: str) -> bool:
    query = select(Mailbox.id).where(Mailbox.email == email, Mailbox.workspace_id == workspace_id, Mailbox.deleted_at.is_(None))
    return db.session.scalar(query) is not None


def take_along(actor: Actor, domain: Domain, moment: datetime) -> int:
    """Put every mailbox of a domain into the trash, at the same moment as the domain, so that they come back together."""
    living = select(Mailbox).where(Mailbox.domain_id == domain.id, Mailbox.deleted_at.is_(None)).order_by(Mailbox.id)
    boxes = list(db.session.scalars(living.with_for_update()))
    for mailbox in boxes:
        service.trash_mailbox(actor, mailbox, moment)
    service.add_to_count(domain.id, -len(boxes))
    return len(boxes)


def bring_back(actor: Actor, domain: Domain, moment: datetime) -> int:
    """Take those out of the trash that went with the domain; mailboxes that were deleted before stay there."""
    boxes = list(db.session.scalars(select(Mailbox).where(Mailbox.domain_id == domain.id, Mailbox.deleted_at == moment)))
    for mailbox in boxes:
        mailbox.deleted_at = None
        audit.record(actor, "mailbox.restore", target(mailbox))
    db.session.flush()
    service.add_to_count(domain.id, len(boxes))
    return len(boxes)


def remain(domain_id: int) -> bool:
    return db.session.scalar(select(Mailbox.id).where(Mailbox.domain_id == domain_id).limit(1)) is not None


def sign_in() -> None:
    """Called when the application starts: residents and the two bins of the trash, domains first so that mailboxes are purged before."""
    residents.sign_in(Residents(some, domains_of, takes_mail, take_along, bring_back, remain))
    trash.register("domain", Domain, Domain.name, domains.restore_domain, domains.purge_domain, "domains:read")
    trash.register(
        "mailbox", Mailbox, Mailbox.email, service.restore_mailbox, service.purge_mailbox, "mailboxes:read", ready=contents.is_empty
    )
