"""`/suppressions`: who gets no mail, for programs."""

from types import SimpleNamespace
from typing import Any

from flask import Flask, request
from flask.views import MethodView

from webapp.core import openapi
from webapp.core.access import current_actor
from webapp.core.errors import invalid
from webapp.core.paging import PageRequest
from webapp.core.rest import Blueprint, Deleted
from webapp.suppressions import service, transfer
from webapp.suppressions.schemas import (
    SuppressionErase,
    SuppressionErased,
    SuppressionIn,
    SuppressionOut,
    SuppressionQuery,
    SuppressionsImport,
    SuppressionsImported,
)

blp = Blueprint("api_suppressions", __name__, url_prefix="/api/v1", description="Addresses that get no mail, and why")
ROW = {
    "type": "object", "required": ["address"],
    "properties": {name: {"type": "string"} for name in ("address", "reason", "scope", "note")},
}  # fmt: skip
FILE = {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
UPLOAD = {
    "content": {
        "text/csv": {"schema": {"type": "string"}}, "application/json": {"schema": {"type": "array", "items": ROW}},
        "multipart/form-data": {"schema": FILE},
    }
}  # fmt: skip


@blp.route("/suppressions")
class Suppressions(MethodView):
    @blp.needs("suppressions:read")
    @blp.paged(SuppressionOut, SuppressionQuery, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List suppressed addresses, newest first."""
        return service.list_suppressions(current_actor(), asked, filters)

    @blp.needs("suppressions:write")
    @blp.arguments(SuppressionIn)
    @blp.response(201, SuppressionOut)
    def post(self, new: dict[str, Any]) -> Any:
        """Suppress an address."""
        return service.create_suppression(current_actor(), **new)


@blp.route("/suppressions/import")
class Import(MethodView):
    @blp.needs("suppressions:write")
    @blp.arguments(SuppressionsImport, location="query")
    @blp.doc(requestBody=UPLOAD)
    @blp.response(200, SuppressionsImported)
    def post(self, asked: dict[str, Any]) -> Any:
        """Suppress the addresses of a CSV or JSON file; rows that are wrong are told and left out."""
        return transfer.import_file(current_actor(), uploaded(), preview=asked["preview"])


@blp.route("/suppressions/export")
class Export(MethodView):
    @blp.needs("suppressions:read")
    @blp.arguments(SuppressionQuery, location="query")
    @blp.doc(responses={"200": {"description": "The list, oldest first", "content": {"text/csv": {"schema": {"type": "string"}}}}})
    def get(self, asked: dict[str, Any]) -> Any:
        """Export the list, or what the filters let through, as CSV; the export is audited."""
        return transfer.export(current_actor(), asked)


@blp.route("/suppressions/erase")
class Erase(MethodView):
    @blp.needs("suppressions:write")
    @blp.arguments(SuppressionErase)
    @blp.response(200, SuppressionErased)
    def post(self, asked: dict[str, Any]) -> Any:
        """Forget a person and still send them nothing: their address goes, a keyed hash stays."""
        return SimpleNamespace(erased=service.erase(current_actor(), asked["address"]))


@blp.route("/suppressions/<int:suppression_id>")
class OneSuppression(MethodView):
    @blp.needs("suppressions:read")
    @blp.response(200, SuppressionOut)
    def get(self, suppression_id: int) -> Any:
        """Show one suppression and what caused it."""
        return service.get_suppression(current_actor(), suppression_id)

    @blp.needs("suppressions:write")
    @blp.response(200, Deleted)
    def delete(self, suppression_id: int) -> Any:
        """Reactivate an address: this reason no longer keeps mail back."""
        row = service.reactivate(current_actor(), suppression_id)
        left = service.others(row)
        more = f" It still gets no mail: {len(left)} other reasons stand." if left else ""
        return {"id": suppression_id, "message": f"{row.address or 'The address'} is taken off the list.{more}"}


def uploaded() -> bytes:
    """The file of a multipart form, or the bare body. raises Invalid when there is none"""
    file = request.files.get("file")
    if file is not None:
        return file.read()
    if request.mimetype == "multipart/form-data" or not request.get_data():
        raise invalid("file", "Send a CSV or JSON file, as the form field “file” or as the body.")
    return request.get_data()


def init_app(app: Flask) -> None:
    openapi.register(blp)
