"""`/contacts/export`: contacts as a file."""

from typing import Any

from flask.views import MethodView
from marshmallow import fields

from webapp.contacts import exporting
from webapp.contacts.schemas import ContactQuery
from webapp.core.access import current_actor
from webapp.core.rest import Blueprint
from webapp.core.shapes import Choice

blp = Blueprint("api_contacts_export", __name__, url_prefix="/api/v1", description="The people of a workspace")
FILE = {"200": {"description": "The contacts, oldest first", "content": {
    "text/csv": {"schema": {"type": "string"}}, exporting.FORMS["xlsx"]: {"schema": {"type": "string", "format": "binary"}},
}}}  # fmt: skip
RAW = {"description": "Leave cells as they are; otherwise those that a spreadsheet would run as a formula get an apostrophe in front"}


class ExportQuery(ContactQuery):
    format = Choice(*exporting.FORMS, load_default="csv")
    raw = fields.Boolean(load_default=False, metadata=RAW)


@blp.route("/contacts/export")
class Export(MethodView):
    @blp.needs("contacts:export")
    @blp.arguments(ExportQuery, location="query")
    @blp.doc(responses=FILE)
    def get(self, asked: dict[str, Any]) -> Any:
        """Export contacts, or those that the filters let through, as CSV or XLSX; the export is audited."""
        return exporting.export(current_actor(), asked, raw=asked.pop("raw"), form=asked.pop("format"))
