"""`/tags`: marks on contacts."""

from typing import Any

from flask.views import MethodView

from webapp.contacts import tags
from webapp.contacts.api.whole import whole
from webapp.contacts.schemas import ListQuery, TagIn, TagOut, TagPatch
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.core.rest import Blueprint, Deleted

blp = Blueprint("api_tags", __name__, url_prefix="/api/v1", description="Marks on contacts")
SORTABLE = ("id", "name", "created_at", "contacts_count")


@blp.route("/tags")
class Tags(MethodView):
    @blp.needs("contacts:read")
    @blp.paged(TagOut, ListQuery)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List all tags with how many contacts bear each."""
        return whole(tags.list_tags(current_actor(), filters.get("search")), asked, SORTABLE)

    @blp.needs("contacts:write")
    @blp.arguments(TagIn)
    @blp.response(201, TagOut)
    def post(self, new: dict[str, Any]) -> Any:
        """Create a tag: lower case, without blanks."""
        return tags.create_tag(current_actor(), **new)


@blp.route("/tags/<int:tag_id>")
class Tag(MethodView):
    @blp.needs("contacts:read")
    @blp.response(200, TagOut)
    def get(self, tag_id: int) -> Any:
        """Show a tag."""
        return tags.get_tag(current_actor(), tag_id)

    @blp.needs("contacts:write")
    @blp.arguments(TagPatch)
    @blp.response(200, TagOut)
    def put(self, changes: dict[str, Any], tag_id: int) -> Any:
        """Rename or recolor a tag."""
        return tags.update_tag(current_actor(), tag_id, changes)

    @blp.needs("contacts:write")
    @blp.arguments(TagPatch)
    @blp.response(200, TagOut)
    def patch(self, changes: dict[str, Any], tag_id: int) -> Any:
        """Rename or recolor a tag, as PUT does."""
        return tags.update_tag(current_actor(), tag_id, changes)

    @blp.needs("contacts:delete")
    @blp.response(200, Deleted)
    def delete(self, tag_id: int) -> Any:
        """Delete a tag; contacts that bear it stay."""
        tags.delete_tag(current_actor(), tag_id)
        return {"id": tag_id, "message": "Tag deleted successfully."}
