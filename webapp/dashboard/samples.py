"""A first mail on request: written by ourselves, taken in like any other, so that the way of a mail can be seen before DNS is right."""

from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.config import settings
from webapp.core.db import db, utcnow
from webapp.core.errors import InvalidState
from webapp.core.lookup import mine
from webapp.mailboxes.models import Mailbox
from webapp.messages import service as messages
from webapp.messages import store
from webapp.messages.models import Message

SENDER = "welcome@mailroom.example"
TEXT = """Hello {name},

this is the first mail of {email}. It came in like any other: stored, read, filed, and shown without a reload.

From here on:
- Create rule from this mail, and have something happen whenever one like it arrives.
- Open the timeline to see each step that it took.
- Answer it: what you send is captured until a real way out is set.
"""


def send_one(actor: Actor) -> Message:
    """A sample mail for the newest mailbox that takes mail. raises InvalidState while there is none"""
    actor.require("testmail:run")
    taking = mine(actor, Mailbox).where(Mailbox.status == "active", Mailbox.can_receive)
    mailbox = db.session.scalar(taking.order_by(Mailbox.id.desc()).limit(1))
    if mailbox is None:
        raise InvalidState("No mailbox takes mail yet.", hint="Add a mailbox first.")
    mail = EmailMessage()
    mail["From"] = f"Mailroom <{SENDER}>"
    mail["To"] = mailbox.email
    mail["Subject"] = "Welcome to your mailbox"
    mail["Date"] = format_datetime(utcnow())
    mail["Message-ID"] = make_msgid(domain=settings().hostname)
    mail.set_content(TEXT.format(name=actor.name or "there", email=mailbox.email))
    message = store.store_message(
        workspace_id=actor.workspace_id, mailbox_id=mailbox.id, direction="received", raw=mail.as_bytes().replace(b"\n", b"\r\n"),
        envelope_sender=SENDER, envelope_recipients=[mailbox.email], recipient=mailbox.email, trusted=True, request_id=actor.request_id,
    )  # fmt: skip
    audit.record(actor, "message.sample", messages.target(message), after={"mailbox_id": mailbox.id, "recipient": mailbox.email})
    return message
