"""`/trash`: what was deleted, and bringing it back."""

from typing import Any

from flask import Flask
from flask.views import MethodView

from webapp.core import openapi
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.core.rest import Blueprint, Deleted
from webapp.trash import service
from webapp.trash.schemas import ItemsSchema, OutcomeSchema, RestoredSchema, TrashedSchema, TrashQuery

blp = Blueprint("api_trash", __name__, url_prefix="/api/v1", description="What was deleted comes back for 30 days")


@blp.route("/trash")
class Trash(MethodView):
    @blp.needs("trash:read")
    @blp.paged(TrashedSchema, TrashQuery)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List what lies in the trash, newest first."""
        return service.list_trash(current_actor(), asked, filters.get("kind"), filters.get("search") or "")


@blp.route("/trash/<string:kind>/<int:row_id>:restore")
class Restore(MethodView):
    @blp.needs("trash:write")
    @blp.response(200, RestoredSchema)
    def post(self, kind: str, row_id: int) -> Any:
        """Bring one thing back from the trash."""
        back = service.restore(current_actor(), kind, row_id)
        return {"kind": back.kind, "id": back.id, "name": back.name, "message": f"{back.kind.capitalize()} {back.name} is back."}


@blp.route("/trash:restore")
class RestoreMany(MethodView):
    @blp.needs("trash:write")
    @blp.arguments(ItemsSchema)
    @blp.response(200, OutcomeSchema)
    @blp.also(207, OutcomeSchema, "Some came back, some did not")
    def post(self, asked: dict[str, Any]) -> Any:
        """Bring several things back, each by itself: 200 when all came back, 207 when some or none did."""
        outcome = service.restore_many(current_actor(), [(item["kind"], item["id"]) for item in asked["items"]])
        answer = {
            "restored": len(outcome.done),
            "items": [{"kind": item.kind, "id": item.id} for item in outcome.done],
            "refused": [{"kind": kind, "id": row_id, "reason": reason} for kind, row_id, reason in outcome.refused],
        }
        return answer, 207 if outcome.refused else 200


@blp.route("/trash/<string:kind>/<int:row_id>")
class InTrash(MethodView):
    @blp.needs("trash:write")
    @blp.response(200, Deleted)
    def delete(self, kind: str, row_id: int) -> Any:
        """Delete one thing from the trash for good, before its 30 days are over."""
        gone = service.purge(current_actor(), kind, row_id)
        return {"id": gone.id, "message": f"{gone.kind.capitalize()} {gone.name} is gone for good."}


def init_app(app: Flask) -> None:
    openapi.register(blp)
