"""`/segments`: saved filters over contacts, for programs."""

from typing import Any

from flask import Flask, request
from flask.views import MethodView

from webapp.contacts.schemas import ContactRow
from webapp.core import openapi
from webapp.core.access import current_actor
from webapp.core.db import db
from webapp.core.paging import PageRequest
from webapp.core.rest import Blueprint, Deleted
from webapp.segments import service
from webapp.segments.schemas import CountOut, SegmentCounted, SegmentIn, SegmentOut, SegmentPatch, SegmentQuery, TreeIn

blp = Blueprint("api_segments", __name__, url_prefix="/api/v1", description="Saved filters over contacts, computed whenever they are used")


@blp.route("/segments")
class Segments(MethodView):
    @blp.needs("contacts:read")
    @blp.paged(SegmentOut, SegmentQuery)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List segments by name."""
        return service.list_segments(current_actor(), asked, filters)

    @blp.needs("contacts:write")
    @blp.arguments(SegmentIn)
    @blp.response(201, SegmentOut)
    def post(self, new: dict[str, Any]) -> Any:
        """Create a segment; errors name a condition by its path, such as conditions.2.value."""
        return service.create_segment(current_actor(), **new)


@blp.route("/segments/count")
class Counted(MethodView):
    @blp.needs("contacts:read")
    @blp.arguments(TreeIn)
    @blp.response(200, CountOut)
    def post(self, tree: dict[str, Any]) -> Any:
        """Say how many contacts conditions choose that are not saved; beyond a fifth of a second the answer is an estimate."""
        actor = current_actor()
        if "Idempotency-Key" not in request.headers:
            db.session.commit()  # nothing is changed here, so nobody who writes has to wait for it
        return service.count_tree(actor, tree)


@blp.route("/segments/<int:segment_id>")
class OneSegment(MethodView):
    @blp.needs("contacts:read")
    @blp.response(200, SegmentCounted)
    def get(self, segment_id: int) -> Any:
        """Show a segment, and how many contacts it chooses now."""
        return service.get_counted(current_actor(), segment_id)

    @blp.needs("contacts:write")
    @blp.arguments(SegmentPatch)
    @blp.response(200, SegmentOut)
    def put(self, changes: dict[str, Any], segment_id: int) -> Any:
        """Change what is sent; conditions are replaced as a whole."""
        return service.update_segment(current_actor(), segment_id, changes)

    @blp.needs("contacts:write")
    @blp.arguments(SegmentPatch)
    @blp.response(200, SegmentOut)
    def patch(self, changes: dict[str, Any], segment_id: int) -> Any:
        """Change what is sent, as PUT does."""
        return service.update_segment(current_actor(), segment_id, changes)

    @blp.needs("contacts:delete")
    @blp.response(200, Deleted)
    def delete(self, segment_id: int) -> Any:
        """Delete a segment; its contacts stay. 409 while a campaign that is on its way asks for it."""
        service.delete_segment(current_actor(), segment_id)
        return {"id": segment_id, "message": "Segment deleted successfully."}


@blp.route("/segments/<int:segment_id>/contacts")
class Members(MethodView):
    @blp.needs("contacts:read")
    @blp.paged(ContactRow, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any], segment_id: int) -> Any:
        """List the contacts that a segment chooses now, newest first."""
        return service.list_contacts(current_actor(), segment_id, asked)


def init_app(app: Flask) -> None:
    openapi.register(blp)
