"""`/domains/{id}/…`: note, catch-all, hosting, signature, matching addresses."""

from typing import Any

from flask.views import MethodView

from webapp.core.access import current_actor
from webapp.core.rest import Deleted
from webapp.domains import arrangements, schemas, service
from webapp.domains.api.blueprint import blp


@blp.route("/domains/<int:domain_id>/note")
class Note(MethodView):
    @blp.needs("domains:write")
    @blp.arguments(schemas.DomainNoteIn)
    @blp.response(200, schemas.DomainSchema)
    def patch(self, given: dict[str, Any], domain_id: int) -> Any:
        """Write or clear the note of a domain."""
        return service.update_domain(current_actor(), domain_id, {"note": given["note"]})


@blp.route("/domains/<int:domain_id>/catch-all")
class CatchAll(MethodView):
    @blp.needs("domains:write")
    @blp.arguments(schemas.CatchAllIn)
    @blp.response(200, schemas.DomainSchema)
    def patch(self, given: dict[str, Any], domain_id: int) -> Any:
        """Say which mailbox gets mail for addresses that do not exist, or that it is refused."""
        return arrangements.update_catch_all(current_actor(), domain_id, given["enabled"], given.get("destination"))


@blp.route("/domains/<int:domain_id>/mail-hosting")
class MailHosting(MethodView):
    @blp.needs("domains:write")
    @blp.arguments(schemas.MailHostingIn)
    @blp.response(200, schemas.DomainSchema)
    def patch(self, given: dict[str, Any], domain_id: int) -> Any:
        """Keep the domain's mail here, or elsewhere: then its mailboxes stop receiving."""
        confirmed = given["confirm_mailboxes_stop_receiving"]
        return arrangements.set_mail_hosting(current_actor(), domain_id, given["mail_hosting"], confirmed)


@blp.route("/domains/<int:domain_id>/signature")
class Signature(MethodView):
    @blp.needs("domains:read")
    @blp.response(200, schemas.SignatureSchema)
    def get(self, domain_id: int) -> Any:
        """Show the signature of a domain."""
        return arrangements.signature(service.get_domain(current_actor(), domain_id))

    @blp.needs("domains:write")
    @blp.arguments(schemas.SignatureIn)
    @blp.response(200, schemas.SignatureSchema)
    def patch(self, given: dict[str, Any], domain_id: int) -> Any:
        """Set the signature of a domain; its HTML is made safe."""
        mode, position, html = given["signature_mode"], given.get("signature_position"), given.get("signature_html")
        return arrangements.signature(arrangements.set_signature(current_actor(), domain_id, mode, position, html))


@blp.route("/domains/<int:domain_id>/matching-addresses")
class MatchingAddresses(MethodView):
    @blp.needs("domains:read")
    @blp.response(200, schemas.MatchingSchema)
    def get(self, domain_id: int) -> Any:
        """Show whether addresses of this domain receive as the same ones of another."""
        return arrangements.matching(current_actor(), domain_id)

    @blp.needs("domains:write", key_required=True)
    @blp.arguments(schemas.MatchingIn)
    @blp.response(200, schemas.MatchingSchema)
    def put(self, given: dict[str, Any], domain_id: int) -> Any:
        """Let every address of this domain receive as the same one of the primary domain."""
        actor = current_actor()
        return arrangements.shown_matching(actor, arrangements.set_matching(actor, domain_id, given["primary_domain_id"]))

    @blp.needs("domains:write")
    @blp.response(200, Deleted)
    def delete(self, domain_id: int) -> Any:
        """Let addresses of this domain stand for themselves again; may be repeated."""
        domain = arrangements.remove_matching(current_actor(), domain_id)
        return {"id": domain.id, "message": f"Addresses of {domain.name} stand for themselves."}

