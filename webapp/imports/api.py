"""`/contacts/imports`: files on their way into the contacts, for programs."""

import json
from typing import Any, BinaryIO, cast

from flask import Flask, Response, request
from flask.views import MethodView

from webapp.core import openapi
from webapp.core.access import current_actor
from webapp.core.body import check_text
from webapp.core.db import db
from webapp.core.errors import UnsupportedMedia, invalid
from webapp.core.paging import Page, PageRequest
from webapp.core.rest import Blueprint
from webapp.imports import files, service
from webapp.imports.models import DUPLICATES, ContactImport
from webapp.imports.schemas import ContactImportOut, ContactImportQuery, ContactImportTaken, present
from webapp.imports.service import Settings

blp = Blueprint("api_imports", __name__, url_prefix="/api/v1", description="Files of contacts that are imported, and their undoing")
TEXTS = {"type": "array", "items": {"type": "string"}}
FORM = {
    "type": "object", "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "CSV or XLSX of any size"},
        "mapping": {"type": "string", "description": 'JSON, {"Column": "email"}: a field, custom.KEY, or new for a custom field'},
        "group_ids": {"type": "array", "items": {"type": "integer"}, "description": "Or one JSON array"},
        "tags": {**TEXTS, "description": "For all rows; or one JSON array"},
        "duplicates": {"type": "string", "enum": list(DUPLICATES), "default": "update"},
        "preview": {"type": "boolean", "default": False, "description": "Only count what would happen"},
        "consent": {"type": "string", "description": "What the people agreed to and where, kept as evidence"},
        "announce": {"type": "boolean", "default": False, "description": "An event contact.created or contact.updated for each contact"},
        "encoding": {"type": "string", "enum": list(service.ENCODINGS)},
    },
}  # fmt: skip
UPLOAD = {"content": {"multipart/form-data": {"schema": FORM}}, "required": True}
CSV = {"200": {"description": "The refused rows", "content": {"text/csv": {"schema": {"type": "string"}}}}}


@blp.route("/contacts/imports")
class Imports(MethodView):
    @blp.needs("contacts:read")
    @blp.paged(ContactImportOut, ContactImportQuery, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List imports, newest first."""
        page: Page[Any] = service.list_imports(current_actor(), asked, filters)
        page.items = [present(job) for job in page.items]
        return page

    @blp.needs("contacts:write", takes_file=True)
    @blp.doc(requestBody=UPLOAD)
    @blp.response(202, ContactImportTaken)
    def post(self) -> Any:
        """Import a file of contacts in the background, or only look at what that would do."""
        return _taken(take_upload())


@blp.route("/contacts/imports/<int:import_id>")
class OneImport(MethodView):
    @blp.needs("contacts:read")
    @blp.response(200, ContactImportOut)
    def get(self, import_id: int) -> Any:
        """Show an import: counts, rate, what is left, the preview, what undoing did."""
        return present(service.get_import(current_actor(), import_id))


@blp.route("/contacts/imports/<int:import_id>/errors")
class Errors(MethodView):
    @blp.needs("contacts:read")
    @blp.doc(responses=CSV)
    def get(self, import_id: int) -> Response:
        """The rows that were refused, as CSV with their lines and reasons."""
        return files.problems_of(current_actor(), import_id)


@blp.route("/contacts/imports/<int:import_id>/start")
class Start(MethodView):
    @blp.needs("contacts:write")
    @blp.response(202, ContactImportTaken)
    def post(self, import_id: int) -> Any:
        """Run an import that was previewed."""
        return _taken(service.start_import(current_actor(), import_id))


@blp.route("/contacts/imports/<int:import_id>/pause")
class Pause(MethodView):
    @blp.needs("contacts:write")
    @blp.response(202, ContactImportTaken)
    def post(self, import_id: int) -> Any:
        """Pause an import after the batch at hand."""
        return _taken(service.pause_import(current_actor(), import_id))


@blp.route("/contacts/imports/<int:import_id>/resume")
class Resume(MethodView):
    @blp.needs("contacts:write")
    @blp.response(202, ContactImportTaken)
    def post(self, import_id: int) -> Any:
        """Go on with an import that is paused or failed, exactly where it stopped."""
        return _taken(service.resume_import(current_actor(), import_id))


@blp.route("/contacts/imports/<int:import_id>/cancel")
class Cancel(MethodView):
    @blp.needs("contacts:write")
    @blp.response(202, ContactImportTaken)
    def post(self, import_id: int) -> Any:
        """End an import after the batch at hand; what came in by then stays."""
        return _taken(service.cancel_import(current_actor(), import_id))


@blp.route("/contacts/imports/<int:import_id>/undo")
class Undo(MethodView):
    @blp.needs("contacts:delete")
    @blp.response(202, ContactImportTaken)
    def post(self, import_id: int) -> Any:
        """Make every contact as it was before the import; those that somebody changed since are left and reported."""
        return _taken(service.undo_import(current_actor(), import_id))


def _taken(job: ContactImport) -> dict[str, Any]:
    return {"id": job.id, "status": job.state}


def take_upload() -> ContactImport:
    """The form of POST /contacts/imports. raises Invalid, UnsupportedMedia"""
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMedia("Send the file as multipart/form-data, in the field “file”.", hint="With curl: -F file=@contacts.csv")
    actor = current_actor()
    db.session.rollback()  # nothing holds the database while the body comes in
    file, form = request.files.get("file"), request.form
    check_text(form.to_dict(flat=False), "form")
    if file is None or not file.filename:
        raise invalid("file", "Send a CSV or XLSX file in the field “file”.")
    encoding = form.get("encoding") or None
    if encoding is not None and encoding not in service.ENCODINGS:
        raise invalid("encoding", f"Choose one of: {', '.join(service.ENCODINGS)}.")
    settings = Settings(
        _json("mapping", form.get("mapping"), dict), form.get("duplicates") or "update", _ids(_several("group_ids")), _several("tags"),
        form.get("consent"), _truth("announce"),
    )  # fmt: skip
    state = "previewing" if _truth("preview") else "queued"
    return service.create_import(actor, cast(BinaryIO, file.stream), file.filename, settings, state=state, encoding=encoding)


def _json(name: str, text: str | None, kind: type) -> Any:
    if not text:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, kind):
        raise invalid(name, f"Send {'an object' if kind is dict else 'a list'} as JSON.")
    check_text(found, name)
    return found


def _several(name: str) -> list[Any]:
    """A JSON array, or the field as often as there are values."""
    values = [*request.form.getlist(name), *request.form.getlist(f"{name}[]")]
    if len(values) == 1 and values[0].lstrip().startswith("["):
        found: list[Any] = _json(name, values[0], list)
        return found
    return [value for value in values if value.strip()]


def _ids(values: list[Any]) -> list[int]:
    found = [int(text) for value in values if (text := str(value).strip()).isascii() and text.isdecimal() and len(text) < 19]
    if len(found) != len(values):
        raise invalid("group_ids", "Send ids of contact groups, such as [1, 2].")
    return found


def _truth(name: str) -> bool:
    text = request.form.get(name, "").strip().lower()
    if text not in ("", "true", "false", "1", "0", "yes", "no"):
        raise invalid(name, "Write true or false.")
    return text in ("true", "1", "yes")


def init_app(app: Flask) -> None:
    openapi.register(blp)
