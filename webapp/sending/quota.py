"""Whether a mailbox may send, and how much (reference/mailtrigger.md section 10): in words for people and programs.

What a mailbox sends by itself counts (COUNTED); forwards and answers that its routes make do not.
"""

from webapp.core.errors import Forbidden, InvalidState, TooMany
from webapp.mailboxes import flow
from webapp.mailboxes.limits import Over
from webapp.mailboxes.models import Mailbox
from webapp.messages import admission
from webapp.messages.admission import Asked

COUNTED = ("api", "smtp")


def check_allowed(mailbox: Mailbox) -> None:
    """raises Forbidden when the mailbox may not send, InvalidState while it is paused"""
    if not mailbox.can_send:
        raise Forbidden(f"{mailbox.email} may not send mail.", hint="Switch sending on in the settings of the mailbox.")
    if mailbox.status != "active":
        raise InvalidState(f"{mailbox.email} is paused, so it neither takes nor sends mail.", hint="Resume the mailbox first.")


def check_room(mailbox: Mailbox, size_bytes: int = 0) -> None:
    """An early answer, without a lock. raises TooMany beyond the limits of the mailbox"""
    over = admission.look(mailbox, "sent", min(size_bytes, mailbox.max_message_bytes))
    if over is not None:
        raise refused(over)


def take_room(mailbox: Mailbox, size_bytes: int) -> None:
    """Before a mail is submitted, in the same transaction; exact under parallel requests. raises TooMany"""
    over = admission.admit([[Asked(mailbox, "sent", size_bytes)]])[0]
    if over is not None:
        raise refused(over)


def refused(over: Over) -> TooMany:
    if over.retry_after_s is None:
        return TooMany(over.sentence, hint="Delete mail that is not needed any more, or raise the limit of the mailbox.")
    return TooMany(over.sentence, hint="Wait as long as Retry-After says, or raise the limit.", retry_after_s=over.retry_after_s)


def count(mailbox_id: int | None, kind: str) -> None:
    """A mail of this kind was submitted."""
    if mailbox_id is not None and kind in COUNTED:
        flow.note(mailbox_id, "sent")
