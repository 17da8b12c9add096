"""Reaching mailboxes: the rows that an actor sees, and how a row is named and remembered in the audit log."""

from typing import Any

from sqlalchemy import Select

from webapp.audit.service import Target
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import NotFound
from webapp.core.lookup import mine
from webapp.mailboxes.models import Mailbox

#: what a person may set on a mailbox; PUT sets all of them
SETTINGS = (
    "display_name", "can_receive", "can_send", "hourly_limit", "daily_limit", "total_limit", "max_message_bytes", "storage_limit_bytes",
    "archive_enabled", "archive_retention_days", "default_delivery", "log_level", "allow_unauthenticated", "note",
)  # fmt: skip


def seen(actor: Actor) -> Select[Any]:
    """The living mailboxes that the actor sees: its workspace's, within the limits of its token."""
    query: Select[Any] = mine(actor, Mailbox)
    if actor.domain_ids is not None:
        query = query.where(Mailbox.domain_id.in_(actor.domain_ids))
    if actor.mailbox_ids is not None:
        query = query.where(Mailbox.id.in_(actor.mailbox_ids))
    return query


def get_seen(actor: Actor, mailbox_id: int, *, for_update: bool = False) -> Mailbox:
    """raises NotFound, also for one outside the limits of the token"""
    query = seen(actor).where(Mailbox.id == mailbox_id)
    found: Mailbox | None = db.session.scalar(query.with_for_update().execution_options(populate_existing=True) if for_update else query)
    if found is None:
        raise NotFound(f"There is no mailbox with the id {mailbox_id}.", fields={"mailbox_id": ["There is no such mailbox."]})
    return found


def target(mailbox: Mailbox) -> Target:
    return Target("mailbox", mailbox.id, mailbox.email)


def snapshot(mailbox: Mailbox) -> dict[str, Any]:
    """What the audit log keeps of a mailbox; of its password nothing."""
    settings = {name: getattr(mailbox, name) for name in SETTINGS}
    return {"email": mailbox.email, "domain_id": mailbox.domain_id, "status": mailbox.status, **settings}
