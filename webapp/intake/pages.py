"""“Send me a sample”: a button where mail is looked for."""

from typing import Any

from flask import Blueprint, Flask, url_for

from webapp.core.access import current_actor, needs
from webapp.core.htmx import made
from webapp.intake import samples

bp = Blueprint("samples", __name__)


@bp.post("/mailboxes/<int:mailbox_id>/sample")
@needs("testmail:run")
def send(mailbox_id: int) -> Any:
    """Put a sample mail into the mailbox."""
    samples.send_sample(current_actor(), mailbox_id)
    return made(go_to=url_for("messages.list_page", mailbox=mailbox_id), toast="A sample mail is on its way in")


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
