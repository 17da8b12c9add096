"""`GET /search`: one question to everything that the token may read."""

from typing import Any

from flask import Flask
from flask.views import MethodView

from webapp.core import openapi
from webapp.core.access import current_actor
from webapp.core.rest import Blueprint
from webapp.search import addresses, service
from webapp.search.schemas import FoundSchema, SearchQuery

blp = Blueprint("api_search", __name__, url_prefix="/api/v1", description="One search over mail and everything that is set up")


@blp.route("/search")
class Search(MethodView):
    @blp.needs(None)
    @blp.arguments(SearchQuery, location="query")
    @blp.response(200, FoundSchema)
    def get(self, asked: dict[str, Any]) -> Any:
        """Search mail, domains, mailboxes, routes, rules, actions, tokens, members and the audit log, as far as the scopes reach."""
        return addresses.shown(service.find(current_actor(), asked["q"], asked["limit"]))


def init_app(app: Flask) -> None:
    openapi.register(blp)
