"""`/domains`: adding, listing, proving, changing and deleting domains."""

from typing import Any

from flask.views import MethodView

from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.core.rest import Deleted
from webapp.domains import bulk, schemas, service, why
from webapp.domains.api.blueprint import blp


@blp.route("/domains")
class Domains(MethodView):
    @blp.needs("domains:read")
    @blp.paged(schemas.DomainSchema, schemas.DomainQuery)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List domains, newest first."""
        return service.list_domains(current_actor(), asked, filters)

    @blp.needs("domains:create", key_required=True)
    @blp.arguments(schemas.DomainCreate)
    @blp.response(201, schemas.DomainSchema)
    def post(self, new: dict[str, Any]) -> Any:
        """Add a domain; the answer holds the TXT record that proves it, and its first DNS check begins."""
        return service.create_domain(current_actor(), **new)


@blp.route("/domains:bulk-add")
class BulkAdd(MethodView):
    @blp.needs("domains:create", key_required=True)
    @blp.arguments(schemas.BulkAddIn)
    @blp.alt_response(207, schema=schemas.BulkAddAnswer, description="Some were added, some refused")
    @blp.alt_response(422, schema=schemas.BULK_REFUSED, description="None was added, or the request was refused by validation")
    @blp.response(200, schemas.BulkAdded, top=("created", "total", "results"))
    def post(self, asked: dict[str, Any]) -> Any:
        """Add up to 20 domains, each by itself: 200 when all were added, 207 when some, 422 when none."""
        added = bulk.add_domains(current_actor(), asked["domains"])
        return added, 200 if added["created"] == added["total"] else 207 if added["created"] else 422


@blp.route("/domains/<int:domain_id>")
class Domain(MethodView):
    @blp.needs("domains:read")
    @blp.response(200, schemas.DomainSchema)
    def get(self, domain_id: int) -> Any:
        """Show one domain."""
        return service.get_domain(current_actor(), domain_id)

    @blp.needs("domains:write")
    @blp.arguments(schemas.DomainPut)
    @blp.response(200, schemas.DomainSchema)
    def put(self, changes: dict[str, Any], domain_id: int) -> Any:
        """Set note and catch-all; what is not sent goes back to its default."""
        return service.update_domain(current_actor(), domain_id, changes)

    @blp.needs("domains:write")
    @blp.arguments(schemas.DomainPatch)
    @blp.response(200, schemas.DomainSchema)
    def patch(self, changes: dict[str, Any], domain_id: int) -> Any:
        """Change the given fields of a domain."""
        return service.update_domain(current_actor(), domain_id, changes)

    @blp.needs("domains:delete")
    @blp.arguments(schemas.ForceQuery, location="query")
    @blp.response(200, Deleted)
    def delete(self, options: dict[str, Any], domain_id: int) -> Any:
        """Put a domain into the trash; with force its mailboxes go along."""
        domain = service.delete_domain(current_actor(), domain_id, force=options["force"])
        return {"id": domain.id, "message": why.deleted(domain)}


@blp.route("/domains/<int:domain_id>/verify")
class Verification(MethodView):
    @blp.needs("domains:write")
    @blp.arguments(schemas.VerifyIn)
    @blp.response(200, schemas.DomainVerified)
    def post(self, asked: dict[str, Any], domain_id: int) -> Any:
        """Look the TXT record up now; or, as an owner, vouch for the domain."""
        return service.verify_domain(current_actor(), domain_id, by_hand=asked["by_hand"])
