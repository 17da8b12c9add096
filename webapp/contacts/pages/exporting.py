"""The list of contacts as a file."""

from flask import Response, request

from webapp.contacts import exporting, picking
from webapp.contacts.pages.base import bp
from webapp.core.access import current_actor, needs


@bp.get("/contacts/export.csv")
@bp.get("/contacts/export.xlsx", endpoint="export_workbook")
@needs("contacts:export", fresh=True)
def export_file() -> Response:
    """What the filters of the list let through."""
    return exporting.export(current_actor(), picking.read_filters(request.args), raw=request.args.get("raw") == "yes",
                            form=request.path.rpartition(".")[2])  # fmt: skip
