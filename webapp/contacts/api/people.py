"""`/contacts`: list, create, show, change, delete."""

from typing import Any

from flask.views import MethodView

from webapp.contacts import listing, merging, service
from webapp.contacts.schemas import ContactIn, ContactOut, ContactPatch, ContactQuery, ContactRow, MergeIn
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.core.rest import Blueprint, Deleted

blp = Blueprint("api_contacts", __name__, url_prefix="/api/v1", description="The people of a workspace")


@blp.route("/contacts")
class Contacts(MethodView):
    @blp.needs("contacts:read")
    @blp.paged(ContactRow, ContactQuery, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List contacts, newest first; search finds words and beginnings of words of name, email and company."""
        return listing.list_contacts(current_actor(), asked, filters)

    @blp.needs("contacts:write")
    @blp.arguments(ContactIn)
    @blp.response(201, ContactOut)
    def post(self, new: dict[str, Any]) -> Any:
        """Create a contact; its email is there once in a workspace."""
        return service.create_contact(current_actor(), **new)


@blp.route("/contacts/<int:contact_id>")
class Contact(MethodView):
    @blp.needs("contacts:read")
    @blp.response(200, ContactOut)
    def get(self, contact_id: int) -> Any:
        """Show a contact with tags, groups and custom fields."""
        return service.get_contact(current_actor(), contact_id)

    @blp.needs("contacts:write")
    @blp.arguments(ContactPatch)
    @blp.response(200, ContactOut)
    def put(self, changes: dict[str, Any], contact_id: int) -> Any:
        """Change what is sent; tags and group_ids replace, custom_fields are merged by key."""
        return service.update_contact(current_actor(), contact_id, changes)

    @blp.needs("contacts:write")
    @blp.arguments(ContactPatch)
    @blp.response(200, ContactOut)
    def patch(self, changes: dict[str, Any], contact_id: int) -> Any:
        """Change what is sent, as PUT does."""
        return service.update_contact(current_actor(), contact_id, changes)

    @blp.needs("contacts:delete")
    @blp.response(200, Deleted)
    def delete(self, contact_id: int) -> Any:
        """Delete a contact for good; an unsubscription stays on the suppression list."""
        service.delete_contact(current_actor(), contact_id)
        return {"id": contact_id, "message": "Contact deleted successfully."}


@blp.route("/contacts/<int:contact_id>/merge")
class Merge(MethodView):
    @blp.needs("contacts:write")
    @blp.arguments(MergeIn)
    @blp.response(200, ContactOut)
    def post(self, asked: dict[str, Any], contact_id: int) -> Any:
        """Take another contact into this one; links in mail to the other one work on."""
        return merging.merge(current_actor(), contact_id, asked["source_id"])
