"""“Send me a sample”: a button where mail is looked for; “Release” on a mail in quarantine, “Read again” on one
that was parked; and both in bulk."""

from typing import Any

from flask import Blueprint, Flask, url_for

from webapp.core.access import current_actor, needs
from webapp.core.htmx import made, redirect_to
from webapp.intake import bulk, parked, quarantine, samples
from webapp.messages import links
from webapp.messages.models import Message

bp = Blueprint("samples", __name__)


@bp.post("/mailboxes/<int:mailbox_id>/sample")
@needs("testmail:run")
def send(mailbox_id: int) -> Any:
    """Put a sample mail into the mailbox."""
    samples.send_sample(current_actor(), mailbox_id)
    return made(go_to=url_for("messages.list_page", mailbox=mailbox_id), toast="A sample mail is on its way in")


@bp.post("/mail/<int:message_id>/release")
@needs("archives:write")
def release(message_id: int) -> Any:
    """Let a mail out of quarantine and stay on its page."""
    quarantine.release(current_actor(), message_id)
    go_to = url_for("messages.show_page", message_id=message_id)
    return redirect_to(go_to, "Released. The mail is on its way to its folder and its routes.")


@bp.post("/mail/<int:message_id>/read-again")
@needs("archives:write")
def read_again(message_id: int) -> Any:
    """Send a parked mail through again and stay on its page."""
    parked.read_again(current_actor(), message_id)
    return redirect_to(url_for("messages.show_page", message_id=message_id), "The mail goes through all of its steps again.")


def _read_again_url(message: Message | None) -> str | None:
    return url_for("samples.read_again", message_id=message.id) if message is not None and parked.can_go(message) else None


def _release_url(message: Message | None) -> str | None:
    return url_for("samples.release", message_id=message.id) if message is not None and message.quarantined else None


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    links.add("Release", "shield", _release_url, scope="archives:write", order=5, post=True)
    links.add("Read again", "refresh-cw", _read_again_url, scope="archives:write", order=6, post=True)
    bulk.init()
