"""`/trash`: what was deleted, and bringing it back."""

from typing import Any

from flask import Flask
from flask.views import MethodView

from webapp.core import openapi
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.core.rest import Blueprint
from webapp.trash import service
from webapp.trash.schemas import RestoredSchema, TrashedSchema, TrashQuery

blp = Blueprint("api_trash", __name__, url_prefix="/api/v1", description="What was deleted comes back for 30 days")


@blp.route("/trash")
class Trash(MethodView):
    @blp.needs("trash:read")
    @blp.paged(TrashedSchema, TrashQuery)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List what lies in the trash, newest first."""
        return service.list_trash(current_actor(), asked, filters.get("kind"))


@blp.route("/trash/<string:kind>/<int:row_id>:restore")
class Restore(MethodView):
    @blp.needs("trash:write")
    @blp.response(200, RestoredSchema)
    def post(self, kind: str, row_id: int) -> Any:
        """Bring one thing back from the trash."""
        back = service.restore(current_actor(), kind, row_id)
        return {"kind": back.kind, "id": back.id, "name": back.name, "message": f"{back.kind.capitalize()} {back.name} is back."}


def init_app(app: Flask) -> None:
    openapi.register(blp)
