"""`/catcher` and `/caught-requests`."""

from types import SimpleNamespace
from typing import Any

from flask import Flask
from flask.views import MethodView

from webapp.catcher import service
from webapp.catcher.models import Catcher
from webapp.catcher.schemas import CatcherSchema, CaughtSchema, Cleared
from webapp.core import openapi
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.core.rest import Blueprint

blp = Blueprint("api_catcher", __name__, url_prefix="/api/v1", description="A test receiver for webhooks")


def _shown(catcher: Catcher | None) -> SimpleNamespace:
    if catcher is None:
        return SimpleNamespace(id=None, url=None, created_at=None, updated_at=None)
    dated = {"created_at": catcher.created_at, "updated_at": catcher.updated_at}
    return SimpleNamespace(id=catcher.id, url=service.url_of(catcher), **dated)


@blp.route("/catcher")
class TheCatcher(MethodView):
    @blp.needs("catcher:read")
    @blp.response(200, CatcherSchema)
    def get(self) -> Any:
        """Show the address of the workspace's request catcher; null until it was opened."""
        return _shown(service.find(current_actor()))

    @blp.needs("catcher:write")
    @blp.response(200, CatcherSchema)
    def post(self) -> Any:
        """Open the request catcher, or show it when it is open."""
        return _shown(service.open_catcher(current_actor()))


@blp.route("/catcher:renew")
class Renewed(MethodView):
    @blp.needs("catcher:write")
    @blp.response(200, CatcherSchema)
    def post(self) -> Any:
        """Give the request catcher another address; the old one stops at once."""
        return _shown(service.renew(current_actor()))


@blp.route("/caught-requests")
class Caught(MethodView):
    @blp.needs("catcher:read")
    @blp.paged(CaughtSchema, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List the newest requests that came to the catcher."""
        return service.list_caught(current_actor(), asked)

    @blp.needs("catcher:write")
    @blp.response(200, Cleared)
    def delete(self) -> Any:
        """Throw away what was caught."""
        return SimpleNamespace(cleared=service.clear(current_actor()))


@blp.route("/caught-requests/<int:caught_id>")
class OneCaught(MethodView):
    @blp.needs("catcher:read")
    @blp.response(200, CaughtSchema)
    def get(self, caught_id: int) -> Any:
        """Show one caught request."""
        return service.get_caught(current_actor(), caught_id)


def init_app(app: Flask) -> None:
    openapi.register(blp)
