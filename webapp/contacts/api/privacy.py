"""What a person may ask for: evidence of consent, all that is kept, erasure with a receipt."""

from typing import Any

from flask.views import MethodView

from webapp.contacts import consents, erasing, portrait
from webapp.contacts.schemas import ConsentIn, ConsentOut, EraseIn, ErasureOut, ErasureQuery, PortraitOut
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.core.rest import Blueprint

blp = Blueprint("api_contact_privacy", __name__, url_prefix="/api/v1", description="The people of a workspace")


@blp.route("/contacts/<int:contact_id>/consents")
class Consents(MethodView):
    @blp.needs("contacts:read")
    @blp.paged(ConsentOut, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any], contact_id: int) -> Any:
        """List the evidence of a contact's consent, newest first."""
        return consents.list_consents(current_actor(), contact_id, asked)

    @blp.needs("contacts:write")
    @blp.arguments(ConsentIn)
    @blp.response(201, ConsentOut)
    def post(self, new: dict[str, Any], contact_id: int) -> Any:
        """Subscribe or unsubscribe a contact, with the evidence for it."""
        return consents.record(current_actor(), contact_id, **new)


@blp.route("/contacts/<int:contact_id>/export")
class Portrait(MethodView):
    @blp.needs("contacts:export")
    @blp.response(200, PortraitOut)
    def get(self, contact_id: int) -> Any:
        """Export all that is kept about one person; the export is audited."""
        portrait.note_export(current_actor(), contact_id)
        return portrait.export(current_actor(), contact_id)


@blp.route("/contacts/<int:contact_id>/erase")
class Erase(MethodView):
    @blp.needs("contacts:erase")
    @blp.arguments(EraseIn)
    @blp.response(201, ErasureOut)
    def post(self, asked: dict[str, Any], contact_id: int) -> Any:
        """Erase a person for good; the receipt names nobody, and nobody writes to them again."""
        return erasing.erase(current_actor(), contact_id, messages=asked["messages"])


@blp.route("/erasures")
class Erasures(MethodView):
    @blp.needs("contacts:erase")
    @blp.paged(ErasureOut, ErasureQuery, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List receipts of erasures, newest first, or those of one address."""
        return erasing.list_erasures(current_actor(), asked, filters)


@blp.route("/erasures/<int:erasure_id>")
class OneErasure(MethodView):
    @blp.needs("contacts:erase")
    @blp.response(200, ErasureOut)
    def get(self, erasure_id: int) -> Any:
        """Show one receipt."""
        return erasing.get_erasure(current_actor(), erasure_id)
