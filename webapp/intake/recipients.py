"""Which mailbox takes mail for an address, and how much it takes: the answers at RCPT (DESIGN section 5)."""

from datetime import timedelta

from sqlalchemy import func, select

from webapp.core.db import database_now, db
from webapp.mail import status
from webapp.mail.address import BadAddress, parse_address
from webapp.mailboxes import addressing, usage
from webapp.mailboxes.addressing import Resolved
from webapp.mailboxes.models import Mailbox
from webapp.messages.models import Message

REASONS = {
    "unknown_domain": status.RELAY_DENIED,
    "unknown_mailbox": status.MAILBOX_UNKNOWN,
    "paused": status.MAILBOX_PAUSED,
    "not_receiving": status.MAILBOX_CANNOT_RECEIVE,
}


def is_address(text: str) -> bool:
    try:
        parse_address(text)
    except BadAddress:
        return False
    return True


def is_ours(found: Resolved, workspace_id: int | None) -> bool:
    """Whether mail for this domain stays here; a domain that nobody proved counts for logins of its own workspace alone."""
    return found.domain is not None and (found.domain.is_verified or found.domain.workspace_id == workspace_id)


def refusal(found: Resolved, trusted: bool) -> str | None:
    """The reply for a recipient here; None: the mail is taken.

    trusted  the client logged in, or comes from a trusted network
    """
    if found.reason is not None or found.mailbox is None or found.domain is None:
        return REASONS[found.reason or "unknown_mailbox"]
    if not found.domain.is_verified and not trusted:
        return status.DOMAIN_UNVERIFIED
    return None if has_room(found.mailbox) else status.OVER_LIMIT


def has_room(mailbox: Mailbox) -> bool:
    """Whether its limits leave room for one more mail: an hour, a day, altogether, storage."""
    if mailbox.total_limit is not None or mailbox.storage_limit_bytes is not None:
        full = usage.of(mailbox)
        if mailbox.total_limit is not None and full.total >= mailbox.total_limit:
            return False
        if mailbox.storage_limit_bytes is not None and full.bytes >= mailbox.storage_limit_bytes:
            return False
    limits = ((mailbox.hourly_limit, timedelta(hours=1)), (mailbox.daily_limit, timedelta(days=1)))
    return all(limit is None or _came_in(mailbox.id, span, limit) < limit for limit, span in limits)


def _came_in(mailbox_id: int, span: timedelta, limit: int) -> int:
    """How many mails it got within the last `span`, looking at no more than `limit` of the newest."""
    newest = (
        select(Message.created_at)
        .where(Message.mailbox_id == mailbox_id, Message.deleted_at.is_(None), Message.direction == "received")
        .order_by(Message.id.desc())
        .limit(limit)
        .subquery()
    )
    return db.session.scalar(select(func.count()).select_from(newest).where(newest.c.created_at > database_now() - span)) or 0


def resolve(address: str) -> Resolved:
    return addressing.resolve(address)
