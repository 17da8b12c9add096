"""Which mailbox takes mail for an address, and the replies about its limits: the answers at RCPT (DESIGN section 5)."""

from webapp.automation import forwarding
from webapp.core.config import settings
from webapp.core.wording import human_bytes
from webapp.mail import status
from webapp.mail.address import BadAddress, parse_address
from webapp.mailboxes import addressing
from webapp.mailboxes.addressing import Resolved
from webapp.mailboxes.limits import Over
from webapp.sending import return_path

REASONS = {
    "unknown_domain": status.RELAY_DENIED,
    "unknown_mailbox": status.MAILBOX_UNKNOWN,
    "paused": status.MAILBOX_PAUSED,
    "not_receiving": status.MAILBOX_CANNOT_RECEIVE,
}
#: limits of what it takes; reference/mailtrigger.md section 10: an hour and a day 452, altogether 552; DESIGN: storage 452
FULL = {
    "hour": status.MAILBOX_BUSY, "day": status.MAILBOX_BUSY, "total": status.MAILBOX_HOLDS_NO_MORE, "storage": status.MAILBOX_FULL,
}  # fmt: skip


def full(address: str) -> str | None:
    """`postmaster` alone as the address that it stands for here, None when nobody reads it; every other address unchanged."""
    return addressing.postmaster(settings().hostname) if address.lower() == "postmaster" else address


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
    """The reply for a recipient here, whatever its limits; None: the mail is taken if there is room.

    trusted  the client logged in, or comes from a trusted network
    """
    if found.reason is not None or found.mailbox is None or found.domain is None:
        return REASONS[found.reason or "unknown_mailbox"]
    return status.DOMAIN_UNVERIFIED if not found.domain.is_verified and not trusted else None


def no_room(over: Over) -> str:
    """The reply of a mailbox that has reached a limit."""
    if over.limit == "size":
        return f"{status.MAILBOX_TAKES_LESS}: {human_bytes(over.allowed)} at most"
    if over.retry_after_s:
        return f"{FULL[over.limit].removesuffix(' later')} {over.wait}"
    return FULL[over.limit]


def no_sending(over: Over) -> str:
    """The reply to a login whose mailbox may not send more."""
    text = f"{' '.join(FULL[over.limit].split()[:2])} {over.sentence.removesuffix('.')}" if over.limit in FULL else no_room(over)
    return f"{text}; try again {over.wait}" if over.retry_after_s else text


def resolve(address: str) -> Resolved:
    """Who takes mail for an address; bounces to a return path of ours come to the mailbox that sent."""
    return return_path.home_of(address) or forwarding.home_of(address) or addressing.resolve(address)
