"""Mail that was given up after its processing died three times, or that waits to be tried again: sent through once more by a person."""

from webapp.audit import service as audit
from webapp.core import live, queue
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import InvalidState
from webapp.messages import journal, store
from webapp.messages import service as messages
from webapp.messages.models import Message


def can_go(message: Message) -> bool:
    """Whether there is anything to send through again."""
    return message.state == "parked" or (message.state == "received" and bool(message.problem))


def read_again(actor: Actor, message_id: int, mailbox_id: int | None = None) -> Message:
    """Take it as if it had just come in: it is read, its routes run, and it goes where mail goes. Nothing of its first way was recorded.

    raises  NotFound, Forbidden; InvalidState for mail that was read, or that a worker has in hand
    """
    message = messages.get_message(actor, message_id, mailbox_id, scope="archives:write", for_update=True)
    if not can_go(message):
        raise InvalidState("This mail is not parked.", hint="Replay it to run its routes again.")
    send(actor, message)
    return message


def send(actor: Actor, message: Message) -> None:
    """The same for a row that is locked and may go."""
    before = {"state": message.state, "problem": message.problem}
    if message.direction == "received":
        message.folder = message.filed_at = None
    message.state, message.problem, message.deaths, message.at_step = "received", None, 0, None
    message.lease_until = message.lease_owner = None
    message.journal = [*(message.journal or []), journal.entry("again", f"by {actor.name}" if actor.name else "")]
    db.session.flush()
    audit.record(actor, "message.read_again", messages.target(message), before=before, after={"state": "received"})
    queue.ring(store.DRAIN)
    live.notify(message.workspace_id, store.LIVE_EVENT)
