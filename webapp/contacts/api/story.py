"""What happened to a contact, and what people wrote down: `/contacts/{id}/timeline`, `/contacts/{id}/notes`."""

from typing import Any

from flask.views import MethodView

from webapp.contacts import notes, timeline
from webapp.contacts.schemas import ContactNoteIn, ContactNoteOut, HappeningOut, HappeningQuery
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.core.rest import Blueprint, Deleted

blp = Blueprint("api_contact_story", __name__, url_prefix="/api/v1", description="The people of a workspace")


@blp.route("/contacts/<int:contact_id>/timeline")
class Timeline(MethodView):
    @blp.needs("contacts:read")
    @blp.paged(HappeningOut, HappeningQuery, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any], contact_id: int) -> Any:
        """List what happened to a contact and to mail for it, newest first."""
        return timeline.list_timeline(current_actor(), contact_id, asked, filters.get("type"))


@blp.route("/contacts/<int:contact_id>/notes")
class Notes(MethodView):
    @blp.needs("contacts:read")
    @blp.paged(ContactNoteOut, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any], contact_id: int) -> Any:
        """List the notes about a contact, newest first."""
        return notes.list_notes(current_actor(), contact_id, asked)

    @blp.needs("contacts:write")
    @blp.arguments(ContactNoteIn)
    @blp.response(201, ContactNoteOut)
    def post(self, new: dict[str, Any], contact_id: int) -> Any:
        """Write a note about a contact."""
        return notes.add_note(current_actor(), contact_id, new["text"])


@blp.route("/contacts/<int:contact_id>/notes/<int:note_id>")
class Note(MethodView):
    @blp.needs("contacts:write")
    @blp.response(200, Deleted)
    def delete(self, contact_id: int, note_id: int) -> Any:
        """Delete a note."""
        notes.delete_note(current_actor(), contact_id, note_id)
        return {"id": note_id, "message": "Note deleted successfully."}
