"""`/audit-events`: the audit log for programs; and the ear for refused requests."""

from typing import Any

from flask import Flask, g, request
from flask.views import MethodView

from webapp.audit import export, retention, service, streaming
from webapp.audit.schemas import AuditEntrySchema, AuditExportQuery, AuditKeeping, AuditKeepingPatch, AuditQuery
from webapp.audit.service import Target
from webapp.core import openapi, web
from webapp.core.access import current_actor
from webapp.core.actor import Actor
from webapp.core.errors import Forbidden, HouseError
from webapp.core.paging import PageRequest
from webapp.core.rest import Blueprint

blp = Blueprint("api_audit", __name__, url_prefix="/api/v1", description="Who did what, when, from where, with which token")


@blp.route("/audit-events")
class AuditEvents(MethodView):
    @blp.needs("audit:read")
    @blp.paged(AuditEntrySchema, AuditQuery, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List audit entries, newest first."""
        return service.search(current_actor(), filters, asked)


@blp.route("/audit-events/<int:entry_id>")
class AuditEvent(MethodView):
    @blp.needs("audit:read")
    @blp.response(200, AuditEntrySchema)
    def get(self, entry_id: int) -> Any:
        """Show one audit entry."""
        return service.get_entry(current_actor(), entry_id)


FILE = {"schema": {"type": "string"}}


@blp.route("/audit-events/export")
class AuditExport(MethodView):
    @blp.needs("audit:read")
    @blp.arguments(AuditExportQuery, location="query")
    @blp.doc(responses={"200": {"description": "The entries, oldest first", "content": {"text/csv": FILE, "application/x-ndjson": FILE}}})
    def get(self, asked: dict[str, Any]) -> Any:
        """Export all audit entries that the filters let through, as CSV or as one JSON object a line; the export itself is audited."""
        form, raw = asked.pop("format"), asked.pop("raw")
        return streaming.answer(export.begin(current_actor(), asked, form=form, raw=raw))


@blp.route("/audit-retention")
class AuditRetention(MethodView):
    @blp.needs("audit:read")
    @blp.response(200, AuditKeeping)
    def get(self) -> Any:
        """Show how long the audit log is kept, and when it was last signed and verified."""
        return retention.keeping(current_actor())

    @blp.needs("audit:write")
    @blp.arguments(AuditKeepingPatch)
    @blp.response(200, AuditKeeping)
    def patch(self, asked: dict[str, Any]) -> Any:
        """Set how many days audit entries are kept; older ones go within the hour and do not come back."""
        retention.set_keep_days(current_actor(), asked["keep_days"])
        return retention.keeping(current_actor())


def note_refusal(error: HouseError) -> None:
    """A request that role or scope refused is an attempt worth keeping; reads that were refused count as well."""
    actor: Actor | None = g.get("actor")
    if actor is not None and isinstance(error, Forbidden):
        noun = (request.endpoint or "request").split(".")[-1]
        service.record_refused(
            actor, f"{noun.lower()}.{request.method.lower()}", Target("request", None, f"{request.method} {request.path}"), error.message
        )


def init_app(app: Flask) -> None:
    openapi.register(blp)
    web.refusal_hooks.append(note_refusal)
