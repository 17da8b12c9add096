"""A first mail to look at: taken as any mail from another server is, with the same checks, limits, parsing and routes."""

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.automation.reach import get_mailbox, within
from webapp.core.actor import Actor
from webapp.core.config import settings
from webapp.core.db import db
from webapp.core.errors import InvalidState
from webapp.core.lookup import mine
from webapp.core.outside import outside
from webapp.intake import service
from webapp.intake.service import Ready
from webapp.mail.mime import NewAttachment, NewMail, build, new_message_id
from webapp.mail.smtp_in import Arrival
from webapp.mailboxes.models import Mailbox
from webapp.messages import raws

TEXT = """Hello,

this is a sample mail from your own Mailroom. It came in like any other mail: it was stored, read and put through the routes of
this mailbox.

What to try with it:
- open its timeline to see every step that it took
- make a rule from it, and watch the rule find it in the dry run
- search for it: from:sample has:attachment

The invoice of 4,200.00 EUR that is attached is not real.
"""
HTML = """<html><body style="font-family:sans-serif;max-width:36em">
<h2 style="color:#1f5f7a">A sample mail</h2>
<p>This came from your own Mailroom, like any other mail: it was stored, read and put through the routes of this mailbox.</p>
<table cellpadding="6"><tr><td>Invoice</td><td>2026-0042</td></tr><tr><td>Total</td><td>4,200.00 EUR</td></tr></table>
<p><img src="https://tracker.example/pixel.gif" alt="">A picture from elsewhere is in here too; it stays off until you ask for it.</p>
</body></html>"""


def send_sample(actor: Actor, mailbox_id: int) -> int:
    """Put a sample mail into a mailbox; answers the id of the message.

    raises NotFound, InvalidState with the words of the refusal when the mailbox takes no mail now
    """
    actor.require("testmail:run")
    mailbox = get_mailbox(actor, mailbox_id)
    sender, now = f"sample@{settings().hostname}", outside().clock.now()
    mail = NewMail(
        sender=sender, sender_name="Mailroom sample", to=[mailbox.email], subject="Sample: your invoice 2026-0042", text=TEXT, html=HTML,
        attachments=[NewAttachment("invoice-2026-0042.txt", b"Invoice 2026-0042\nTotal 4,200.00 EUR\n", "text/plain")], date=now,
        message_id=new_message_id(settings().hostname), auto_submitted="auto-generated",
    )  # fmt: skip
    raw = build(mail)
    arrival = Arrival(
        sender=sender, recipients=[mailbox.email], raw=raw, ip=actor.ip or "127.0.0.1", helo=settings().hostname, login=None, tls=False,
        received_at=now, smtputf8=False, trusted=True,
    )  # fmt: skip
    reply = service.deliver({0: Ready(arrival, raws.prepare(raw))})[0]
    if not reply.startswith("250"):
        raise InvalidState(f"{mailbox.email} does not take the mail: {reply}.", hint="Resume the mailbox or raise its limit.")
    audit.record(actor, "mailbox.sample", Target("mailbox", mailbox.id, mailbox.email))
    return int(reply.rsplit(" ", 1)[-1])


def send_to_newest(actor: Actor) -> int:
    """Put a sample mail into the newest mailbox that takes mail. raises InvalidState while there is none"""
    taking = mine(actor, Mailbox).where(Mailbox.status == "active", Mailbox.can_receive, within(actor, Mailbox.id))
    mailbox_id = db.session.scalar(taking.with_only_columns(Mailbox.id).order_by(Mailbox.id.desc()).limit(1))
    if mailbox_id is None:
        raise InvalidState("No mailbox takes mail yet.", hint="Add a mailbox first.")
    return send_sample(actor, mailbox_id)
