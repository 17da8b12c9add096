"""`/events`: the event stream for programs."""

from typing import Any

from flask import Flask
from flask.views import MethodView

from webapp.core import openapi
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.core.rest import Blueprint
from webapp.happenings import service
from webapp.happenings.schemas import EventOut, EventQuery

blp = Blueprint("api_happenings", __name__, url_prefix="/api/v1", description="What happened to mail, event by event")


@blp.route("/events")
class Events(MethodView):
    @blp.needs("events:read")
    @blp.paged(EventOut, EventQuery, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List what happened to mail, newest first."""
        return service.list_events(current_actor(), asked, filters)


@blp.route("/events/<int:event_id>")
class OneEvent(MethodView):
    @blp.needs("events:read")
    @blp.response(200, EventOut)
    def get(self, event_id: int) -> Any:
        """Show one event."""
        return service.get_event(current_actor(), event_id)


def init_app(app: Flask) -> None:
    openapi.register(blp)
