"""`/mailboxes/{id}:sample`."""

from types import SimpleNamespace
from typing import Any

from flask import Flask
from flask.views import MethodView
from marshmallow import fields

from webapp.core import openapi
from webapp.core.access import current_actor
from webapp.core.rest import Blueprint
from webapp.core.shapes import Shape
from webapp.intake import samples

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


def init_app(app: Flask) -> None:
    openapi.register(blp)
