"""`/custom-fields`: what a workspace wants to know of its contacts."""

from typing import Any

from flask.views import MethodView

from webapp.contacts import fields
from webapp.contacts.api.whole import whole
from webapp.contacts.schemas import FieldIn, FieldOut, FieldPatch
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.core.rest import Blueprint, Deleted

blp = Blueprint("api_custom_fields", __name__, url_prefix="/api/v1", description="What a workspace wants to know of its contacts")
SORTABLE = ("id", "position", "label", "key", "created_at")


@blp.route("/custom-fields")
class CustomFields(MethodView):
    @blp.needs("contacts:read")
    @blp.paged(FieldOut)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List all custom fields."""
        return whole(fields.list_fields(current_actor()), asked, SORTABLE)

    @blp.needs("contacts:write")
    @blp.arguments(FieldIn)
    @blp.response(201, FieldOut)
    def post(self, new: dict[str, Any]) -> Any:
        """Define a custom field; its key is made from the label when none is sent."""
        return fields.create_field(current_actor(), **new)


@blp.route("/custom-fields/<int:field_id>")
class CustomField(MethodView):
    @blp.needs("contacts:read")
    @blp.response(200, FieldOut)
    def get(self, field_id: int) -> Any:
        """Show a custom field."""
        return fields.get_field(current_actor(), field_id)

    @blp.needs("contacts:write")
    @blp.arguments(FieldPatch)
    @blp.response(200, FieldOut)
    def put(self, changes: dict[str, Any], field_id: int) -> Any:
        """Change a custom field; its key stays."""
        return fields.update_field(current_actor(), field_id, changes)

    @blp.needs("contacts:write")
    @blp.arguments(FieldPatch)
    @blp.response(200, FieldOut)
    def patch(self, changes: dict[str, Any], field_id: int) -> Any:
        """Change a custom field, as PUT does."""
        return fields.update_field(current_actor(), field_id, changes)

    @blp.needs("contacts:delete")
    @blp.response(200, Deleted)
    def delete(self, field_id: int) -> Any:
        """Delete a custom field; values that contacts hold stay in them."""
        fields.delete_field(current_actor(), field_id)
        return {"id": field_id, "message": "Custom field deleted successfully."}
