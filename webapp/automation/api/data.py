"""`/mailboxes/{id}/data`, also spelled `/mailbox/{id}/data`."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from flask import request
from flask.views import MethodView

from webapp.automation import data, schemas
from webapp.automation.api.blueprint import blp
from webapp.core.access import current_actor
from webapp.core.errors import invalid
from webapp.core.paging import Page, PageRequest
from webapp.core.rest import Deleted
from webapp.core.shapes import DayStart

BOX = ("/mailboxes/<int:mailbox_id>/data", "/mailbox/<int:mailbox_id>/data")
UPLOAD = {
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
        },
        "text/csv": {"schema": {"type": "string"}},
    }
}


def all_of(*suffixes: str) -> tuple[str, ...]:
    return tuple(f"{base}{suffix}" for suffix in suffixes for base in BOX)


@blp.route(*all_of(""))
class Data(MethodView):
    @blp.needs("data:read")
    @blp.paged(schemas.DataOut, schemas.DataQuery)
    def get(self, asked: PageRequest, filters: dict[str, Any], mailbox_id: int) -> Any:
        """List what is known about receivers of a mailbox."""
        only = {name.strip() for name in (filters.pop("fields_") or "").split(",") if name.strip()}
        page: Page[Any] = data.list_data(current_actor(), mailbox_id, asked, _days(filters))
        if not only:
            return page
        return replace(page, items=[_narrow(entry, only) for entry in page.items])

    @blp.needs("data:write")
    @blp.arguments(schemas.DataIn)
    @blp.response(201, schemas.DataOut)
    def post(self, new: dict[str, Any], mailbox_id: int) -> Any:
        """Add an entry for one or several receivers."""
        return data.create_entry(current_actor(), mailbox_id, **new)


def _days(filters: dict[str, Any]) -> dict[str, Any]:
    """`created_exact` as the two ends of its day (or its instant)."""
    exact = filters.pop("created_exact", None)
    if exact:
        try:
            first, last = DayStart().deserialize(exact), DayStart(end=True).deserialize(exact)
        except ValueError:
            raise invalid("created_exact", "Write a date as YYYY-MM-DD or a time as ISO 8601.") from None
        filters["created_after"] = max(filter(None, (filters["created_after"], first)))
        filters["created_before"] = min(filter(None, (filters["created_before"], last + timedelta())))
    return filters


def _narrow(entry: Any, only: set[str]) -> dict[str, Any]:
    columns = ("id", "mailbox_id", "emails", "note", "file_id", "created_at", "updated_at")
    shown = {name: value for name, value in entry.data.items() if name in only}
    return {**{name: getattr(entry, name) for name in columns}, "data": shown}


@blp.route(*all_of("/<int:data_id>"))
class OneEntry(MethodView):
    @blp.needs("data:read")
    @blp.response(200, schemas.DataOut)
    def get(self, mailbox_id: int, data_id: int) -> Any:
        """Show one entry."""
        return data.get_entry(current_actor(), mailbox_id, data_id)

    @blp.needs("data:write")
    @blp.arguments(schemas.DataIn)
    @blp.response(200, schemas.DataOut)
    def put(self, new: dict[str, Any], mailbox_id: int, data_id: int) -> Any:
        """Replace an entry."""
        return data.update_entry(current_actor(), mailbox_id, data_id, new, replace=True)

    @blp.needs("data:write")
    @blp.arguments(schemas.DataPatch)
    @blp.response(200, schemas.DataOut)
    def patch(self, changes: dict[str, Any], mailbox_id: int, data_id: int) -> Any:
        """Change the given fields; emails and data are replaced as a whole."""
        return data.update_entry(current_actor(), mailbox_id, data_id, changes)

    @blp.needs("data:write")
    @blp.response(200, Deleted)
    def delete(self, mailbox_id: int, data_id: int) -> Any:
        """Delete an entry for good."""
        entry = data.delete_entry(current_actor(), mailbox_id, data_id)
        return {"id": entry.id, "message": "The entry is deleted."}


@blp.route(*all_of("/import"))
class Import(MethodView):
    @blp.needs("data:write")
    @blp.doc(requestBody=UPLOAD)
    @blp.response(201, schemas.ImportOut)
    def post(self, mailbox_id: int) -> Any:
        """Load a CSV or JSON file of receiver data, all of it or nothing."""
        filename, content = uploaded()
        file = data.import_file(current_actor(), mailbox_id, filename, content)
        return {"file_id": file.id, "filename": file.filename, "entry_count": file.entry_count}


def uploaded() -> tuple[str, bytes]:
    """The file of a multipart form, or the bare body. raises Invalid when there is none"""
    if request.mimetype == "multipart/form-data":
        file = request.files.get("file")
        if file is None:
            raise invalid("file", "Send the file as the form field “file”.")
        return file.filename or "upload", file.read()
    if not request.get_data():
        raise invalid("file", "Send a CSV or JSON file, as the form field “file” or as the body.")
    return ("upload.json" if request.mimetype == "application/json" else "upload.csv"), request.get_data()
