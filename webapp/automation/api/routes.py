"""`/routes`."""

from dataclasses import replace
from typing import Any

from flask.views import MethodView

from webapp.automation import routes, schemas
from webapp.automation.api.blueprint import blp
from webapp.core.access import current_actor
from webapp.core.paging import Page, PageRequest
from webapp.core.rest import Deleted


@blp.route("/routes")
class Routes(MethodView):
    @blp.needs("routes:read")
    @blp.paged(schemas.RouteOut, schemas.RouteQuery)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List routes by their position."""
        page: Page[Any] = routes.list_routes(current_actor(), asked, filters)
        return replace(page, items=routes.whole(page.items))

    @blp.needs("routes:write")
    @blp.arguments(schemas.RouteIn)
    @blp.response(201, schemas.RouteOut)
    def post(self, new: dict[str, Any]) -> Any:
        """Create a route for one mailbox, at the end unless a position is given."""
        return routes.whole([routes.create_route(current_actor(), **new)])[0]


@blp.route("/routes/<int:route_id>")
class OneRoute(MethodView):
    @blp.needs("routes:read")
    @blp.response(200, schemas.RouteOut)
    def get(self, route_id: int) -> Any:
        """Show one route."""
        return routes.whole([routes.get_route(current_actor(), route_id)])[0]

    @blp.needs("routes:write")
    @blp.arguments(schemas.RouteIn)
    @blp.response(200, schemas.RouteOut)
    def put(self, new: dict[str, Any], route_id: int) -> Any:
        """Replace a route; what is not sent goes back to its default."""
        return routes.whole([routes.update_route(current_actor(), route_id, new, replace=True)])[0]

    @blp.needs("routes:write")
    @blp.arguments(schemas.RoutePatch)
    @blp.response(200, schemas.RouteOut)
    def patch(self, changes: dict[str, Any], route_id: int) -> Any:
        """Change the given fields of a route; rule_ids and actions are replaced as a whole."""
        return routes.whole([routes.update_route(current_actor(), route_id, changes)])[0]

    @blp.needs("routes:write")
    @blp.response(200, Deleted)
    def delete(self, route_id: int) -> Any:
        """Put a route into the trash; its log stays."""
        route = routes.delete_route(current_actor(), route_id)
        return {"id": route.id, "message": f"The route “{route.name}” is in the trash for 30 days."}


@blp.route("/routes/reorder")
class Reorder(MethodView):
    @blp.needs("routes:write")
    @blp.arguments(schemas.ReorderIn)
    @blp.response(200, schemas.ReorderOut)
    def post(self, new: dict[str, Any]) -> Any:
        """Put the routes of a mailbox into this order; those left out stay behind them."""
        ordered = routes.reorder(current_actor(), new["mailbox_id"], new["ids"])
        return {"mailbox_id": new["mailbox_id"], "ids": [route.id for route in ordered]}
