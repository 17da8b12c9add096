"""Letting a mail out of quarantine: its routes run as if it had been proven, and it goes where mail goes (mailtrigger.md section 6.2)."""

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.automation import releasing
from webapp.core.actor import Actor
from webapp.core.db import utcnow
from webapp.core.errors import InvalidState
from webapp.messages import service as messages
from webapp.messages import store
from webapp.messages.models import Message


def release(actor: Actor, message_id: int, mailbox_id: int | None = None) -> Message:
    """Take a mail out of quarantine.

    raises  NotFound, Forbidden; InvalidState for mail that is not in quarantine
    """
    message = messages.get_message(actor, message_id, mailbox_id, scope="archives:write", for_update=True)
    if not message.quarantined:
        raise InvalidState("This mail is not in quarantine.", hint="Replay it to run its routes again.")
    let_out(actor, message)
    return message


def let_out(actor: Actor, message: Message) -> None:
    """The same for a row that is locked and in quarantine."""
    message.quarantined, message.released_at = False, utcnow()
    if not releasing.plan(actor, message) and message.folder is None:
        store.file_message(message)
    why = (message.auth_verdict or {}).get("explanation", "")
    audit.record(actor, "message.release", Target("message", message.id, message.subject or "(no subject)"), after={"reason": why})
