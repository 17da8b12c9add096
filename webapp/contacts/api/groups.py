"""`/contact-groups`: lists of contacts, and who is on them."""

from typing import Any

from flask.views import MethodView

from webapp.contacts import groups, listing, membership
from webapp.contacts.api.whole import whole
from webapp.contacts.schemas import (
    ContactRow,
    GroupIn,
    GroupOut,
    GroupPatch,
    ListQuery,
    Members,
    MembersAdded,
    MembersGone,
    MembersNamed,
    MembersRemoved,
)
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.core.rest import Blueprint, Deleted

blp = Blueprint("api_contact_groups", __name__, url_prefix="/api/v1", description="Lists of contacts")
SORTABLE = ("id", "name", "created_at", "members_count")


@blp.route("/contact-groups")
class Groups(MethodView):
    @blp.needs("contacts:read")
    @blp.paged(GroupOut, ListQuery)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List all groups with how many contacts are on each."""
        return whole(groups.list_groups(current_actor(), filters.get("search")), asked, SORTABLE)

    @blp.needs("contacts:write")
    @blp.arguments(GroupIn)
    @blp.response(201, GroupOut)
    def post(self, new: dict[str, Any]) -> Any:
        """Create a group."""
        return groups.create_group(current_actor(), **new)


@blp.route("/contact-groups/<int:group_id>")
class Group(MethodView):
    @blp.needs("contacts:read")
    @blp.response(200, GroupOut)
    def get(self, group_id: int) -> Any:
        """Show a group."""
        return groups.get_group(current_actor(), group_id)

    @blp.needs("contacts:write")
    @blp.arguments(GroupPatch)
    @blp.response(200, GroupOut)
    def put(self, changes: dict[str, Any], group_id: int) -> Any:
        """Rename or describe a group."""
        return groups.update_group(current_actor(), group_id, changes)

    @blp.needs("contacts:write")
    @blp.arguments(GroupPatch)
    @blp.response(200, GroupOut)
    def patch(self, changes: dict[str, Any], group_id: int) -> Any:
        """Rename or describe a group, as PUT does."""
        return groups.update_group(current_actor(), group_id, changes)

    @blp.needs("contacts:delete")
    @blp.response(200, Deleted)
    def delete(self, group_id: int) -> Any:
        """Delete a group; its members stay as contacts."""
        groups.delete_group(current_actor(), group_id)
        return {"id": group_id, "message": "Contact group deleted successfully."}


@blp.route("/contact-groups/<int:group_id>/members")
class GroupMembers(MethodView):
    @blp.needs("contacts:read")
    @blp.paged(ContactRow, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any], group_id: int) -> Any:
        """List the contacts of a group."""
        return listing.list_members(current_actor(), group_id, asked)

    @blp.needs("contacts:write")
    @blp.arguments(Members)
    @blp.response(200, MembersAdded)
    def post(self, asked: dict[str, Any], group_id: int) -> Any:
        """Add contacts to a group."""
        return membership.add(current_actor(), group_id, asked["contact_ids"])

    @blp.needs("contacts:write")
    @blp.arguments(MembersNamed, location="query")
    @blp.arguments(MembersGone)
    @blp.response(200, MembersRemoved)
    def delete(self, named: dict[str, Any], sent: dict[str, Any], group_id: int) -> Any:
        """Remove contacts from a group, named in the body or as ?contact_ids=1,2; ids that are not on it are left out."""
        return membership.remove(current_actor(), group_id, named.get("contact_ids") or sent.get("contact_ids") or [])
