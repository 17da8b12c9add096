"""`/mailboxes/{id}:sample`, and `:release` and `:read-again` of `/mailboxes/{id}/archives/{id}` in both spellings."""

from types import SimpleNamespace
from typing import Any

from flask import Flask
from flask.views import MethodView
from marshmallow import fields

from webapp.core import openapi
from webapp.core.access import current_actor
from webapp.core.rest import Blueprint
from webapp.core.shapes import Shape
from webapp.intake import parked, quarantine, samples
from webapp.messages import schemas, shown
from webapp.messages import service as messages

blp = Blueprint("api_samples", __name__, url_prefix="/api/v1", description="A first mail to look at")


class SampleMade(Shape):
    message_id = fields.Integer(required=True, metadata={"description": "of the message in the archive"})


@blp.route("/mailboxes/<int:mailbox_id>:sample")
class Sample(MethodView):
    @blp.needs("testmail:run")
    @blp.response(201, SampleMade)
    def post(self, mailbox_id: int) -> Any:
        """Put a sample mail into a mailbox, as if another server had sent it."""
        return SimpleNamespace(message_id=samples.send_sample(current_actor(), mailbox_id))


@blp.route("/mailboxes/<int:mailbox_id>/archives/<int:archive_id>:release", "/mailbox/<int:mailbox_id>/archives/<int:archive_id>:release")
class Release(MethodView):
    @blp.needs("archives:write")
    @blp.response(200, schemas.ArchivedMail)
    def post(self, mailbox_id: int, archive_id: int) -> Any:
        """Let a mail out of quarantine: it goes to its folder and its routes run."""
        actor = current_actor()
        message = quarantine.release(actor, archive_id, mailbox_id)
        return shown.whole(actor, message, messages.read_message(actor, message))


@blp.route(
    "/mailboxes/<int:mailbox_id>/archives/<int:archive_id>:read-again", "/mailbox/<int:mailbox_id>/archives/<int:archive_id>:read-again"
)
class ReadAgain(MethodView):
    @blp.needs("archives:write")
    @blp.response(200, schemas.ArchivedMail)
    def post(self, mailbox_id: int, archive_id: int) -> Any:
        """Send a parked mail through again: it is read, its routes run, and it goes to its folder."""
        actor = current_actor()
        message = parked.read_again(actor, archive_id, mailbox_id)
        return shown.whole(actor, message, messages.read_message(actor, message))


def init_app(app: Flask) -> None:
    openapi.register(blp)
