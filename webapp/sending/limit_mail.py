"""The warning about a limit of a mailbox: to the workspace's own system mailbox if it has one, else to its owners."""

from sqlalchemy import select

from webapp.accounts.models import Membership, User
from webapp.core.config import settings
from webapp.core.db import db
from webapp.core.wording import human_bytes, number
from webapp.mailboxes.limits import LABELS
from webapp.mailboxes.models import Mailbox, MailboxWarning
from webapp.sending.system_mail import send_system_mail

#: what becomes of mail at the limit, by its name
EFFECT = {
    "received": "Senders are told to try again later (452), so nothing is lost while they do.",
    "sent": "Programs that send as this mailbox are told to try again later.",
    "total": "Further mail is refused (552) until mails are deleted or the limit is raised.",
    "storage": "Senders are told to try again later (452) until mail is deleted or the limit is raised.",
}


def tell(warning_id: int) -> None:
    """Write the mail of one warning; of a mailbox that is deleted by now nothing is told."""
    warning = db.session.get(MailboxWarning, warning_id)
    mailbox = db.session.get(Mailbox, warning.mailbox_id) if warning else None
    if warning is None or mailbox is None or mailbox.deleted_at is not None:
        return
    subject, text = words(warning, mailbox)
    for address in receivers(mailbox):
        send_system_mail(address, subject, text, workspace_id=mailbox.workspace_id)


def words(warning: MailboxWarning, mailbox: Mailbox) -> tuple[str, str]:
    """Subject and text."""
    name = LABELS[warning.limit_name].lower()
    shown = human_bytes if warning.limit_name == "storage" else number
    state = "has reached a limit" if warning.level == "full" else "comes near a limit"
    effect = EFFECT[warning.limit_name.partition("_")[0]]
    then = effect if warning.level == "full" else f"At the limit: {effect[0].lower()}{effect[1:]}"
    page = f"{settings().public_url.rstrip('/')}/mailboxes/{mailbox.id}"
    text = (
        f"{mailbox.email}, {name}: {shown(warning.used)} of {shown(warning.allowed)}.\n\n{then}\n\n"
        f"See the mailbox and change its limits: {page}\n\nThis is told once for each limit and hour or day.\n"
    )
    return f"{mailbox.email} {state}: {name}", text


def receivers(mailbox: Mailbox) -> list[str]:
    """Who hears of it."""
    own = select(Mailbox.email).where(
        Mailbox.workspace_id == mailbox.workspace_id, Mailbox.is_system, Mailbox.deleted_at.is_(None), Mailbox.id != mailbox.id
    )
    found = list(db.session.scalars(own.order_by(Mailbox.id).limit(1)))
    if found:
        return found
    owners = select(User.email).join(Membership, Membership.user_id == User.id).order_by(User.id)
    return list(db.session.scalars(owners.where(Membership.workspace_id == mailbox.workspace_id, Membership.role == "owner")))
