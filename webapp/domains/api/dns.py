"""DNS: what a domain needs, looking it up, and what came of it."""

from typing import Any

from flask.views import MethodView

from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.domains import checks, schemas_dns, service
from webapp.domains.api.blueprint import blp


@blp.route("/domains/<int:domain_id>/dns-requirements")
class Requirements(MethodView):
    @blp.needs("domains:dns:read")
    @blp.response(200, schemas_dns.DnsRequirements)
    def get(self, domain_id: int) -> Any:
        """Show the DNS records that the domain needs, each with what was found last, and all of them as text for a zone file."""
        return schemas_dns.requirements(service.get_for_dns(current_actor(), domain_id))


@blp.route("/domains/<int:domain_id>/dns-recheck")
class Recheck(MethodView):
    @blp.needs("domains:dns:recheck", key_required=True)
    @blp.response(202, schemas_dns.DnsCheckSchema, top=("id", "check_id", "status"))
    def post(self, domain_id: int) -> Any:
        """Look all records up now, in the background; ask `/dns-checks/{id}` for the outcome."""
        return checks.recheck(current_actor(), domain_id)


@blp.route("/domains/<int:domain_id>/dns-checks")
class Checks(MethodView):
    @blp.needs("domains:dns:read")
    @blp.paged(schemas_dns.DnsCheckSchema, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any], domain_id: int) -> Any:
        """List the DNS checks of a domain, newest first; the planned one stands at the top."""
        return checks.list_checks(current_actor(), domain_id, asked)


@blp.route("/dns-checks/<int:check_id>")
class Check(MethodView):
    @blp.needs("domains:dns:read")
    @blp.response(200, schemas_dns.DnsCheckSchema)
    def get(self, check_id: int) -> Any:
        """Show one DNS check: pending, complete or failed, with what was found."""
        return checks.get_check(current_actor(), check_id)
