"""Mail that Mailroom itself writes: password links, warnings. It belongs to no mailbox; its copy is for owners alone (messages)."""

from sqlalchemy import select

from webapp.accounts.models import Membership, User, Workspace
from webapp.core.config import settings
from webapp.core.db import db
from webapp.core.errors import InvalidState
from webapp.core.outside import outside
from webapp.mail.address import normalise
from webapp.mail.mime import NewMail, build, new_message_id
from webapp.sending.models import Outgoing
from webapp.sending.submitting import submit

SENDER_NAME = "Mailroom"


def send_system_mail(
    to: str, subject: str, text: str, html: str | None = None, *, workspace_id: int | None = None, request_id: str | None = None
) -> Outgoing:
    """Send a mail in the product's own name, from postmaster@ of this installation.

    workspace_id  whose archive keeps the copy; without it the recipient's workspace, or the oldest one
    raises        Invalid about the recipient, InvalidState while there is no workspace yet
    """
    address = normalise(to)
    sender = f"postmaster@{settings().hostname}"
    mail = NewMail(
        sender=sender, sender_name=SENDER_NAME, to=[address], subject=subject, text=text, html=html, date=outside().clock.now(),
        message_id=new_message_id(settings().hostname), auto_submitted="auto-generated",
    )  # fmt: skip
    if workspace_id is None:
        workspace_id = _workspace_of(address)
    return submit(
        workspace_id=workspace_id, mailbox_id=None, envelope_sender="", recipients=[address], raw=build(mail), kind="system",
        from_address=sender, request_id=request_id,
    )  # fmt: skip


def _workspace_of(address: str) -> int:
    theirs = select(Membership.workspace_id).join(User, User.id == Membership.user_id).where(User.email == address)
    oldest = select(Workspace.id).where(Workspace.deleted_at.is_(None)).order_by(Workspace.id).limit(1)
    found = db.session.scalar(theirs.order_by(Membership.id).limit(1)) or db.session.scalar(oldest)
    if found is None:
        raise InvalidState("There is no workspace yet that could keep this mail.")
    return found
