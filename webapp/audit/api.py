"""`/audit-events`: the audit log for programs; and the ear for refused requests."""

from typing import Any

from flask import Flask, g, request
from flask.views import MethodView

from webapp.audit import service
from webapp.audit.schemas import AuditEntrySchema, AuditQuery
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
