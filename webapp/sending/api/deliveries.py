"""`mail/send` below a mailbox, and `/deliveries`: the ledger for programs."""

from typing import Any

from flask.views import MethodView

from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.sending import service
from webapp.sending.api.blueprint import blp
from webapp.sending.schemas import DeliveryDetail, DeliveryOut, DeliveryQuery, MailAccepted, MailIn


@blp.route("/mailboxes/<int:mailbox_id>/mail/send", "/mailbox/<int:mailbox_id>/mail/send")
class MailSend(MethodView):
    @blp.needs("messages:send")
    @blp.arguments(MailIn)
    @blp.response(202, MailAccepted)
    def post(self, mail: dict[str, Any], mailbox_id: int) -> Any:
        """Send a mail as a mailbox; the sender is always the mailbox itself."""
        return service.accepted(service.send_mail(current_actor(), mailbox_id, **mail))


@blp.route("/deliveries")
class Deliveries(MethodView):
    @blp.needs("deliveries:read")
    @blp.paged(DeliveryOut, DeliveryQuery, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List deliveries, newest first, each with the sentence that says where it is and why."""
        return service.list_deliveries(current_actor(), asked, filters)


@blp.route("/deliveries/<int:delivery_id>")
class Delivery(MethodView):
    @blp.needs("deliveries:read")
    @blp.response(200, DeliveryDetail)
    def get(self, delivery_id: int) -> Any:
        """Show one delivery with every attempt and what both servers said."""
        return service.detail(service.get_delivery(current_actor(), delivery_id))


@blp.route("/deliveries/<int:delivery_id>:retry")
class DeliveryRetry(MethodView):
    @blp.needs("deliveries:write")
    @blp.response(200, DeliveryDetail)
    def post(self, delivery_id: int) -> Any:
        """Send it now: before its time, or again."""
        return service.detail(service.retry(current_actor(), delivery_id))


@blp.route("/deliveries/<int:delivery_id>:hold")
class DeliveryHold(MethodView):
    @blp.needs("deliveries:write")
    @blp.response(200, DeliveryDetail)
    def post(self, delivery_id: int) -> Any:
        """Keep a waiting delivery back until it is released."""
        return service.detail(service.hold(current_actor(), delivery_id))


@blp.route("/deliveries/<int:delivery_id>:release")
class DeliveryRelease(MethodView):
    @blp.needs("deliveries:write")
    @blp.response(200, DeliveryDetail)
    def post(self, delivery_id: int) -> Any:
        """Let a held delivery go."""
        return service.detail(service.release(current_actor(), delivery_id))


@blp.route("/deliveries/<int:delivery_id>:cancel")
class DeliveryCancel(MethodView):
    @blp.needs("deliveries:write")
    @blp.response(200, DeliveryDetail)
    def post(self, delivery_id: int) -> Any:
        """Give a waiting delivery up for good."""
        return service.detail(service.cancel(current_actor(), delivery_id))


@blp.route("/deliveries/<int:delivery_id>:treat-as-sent")
class DeliveryTreatAsSent(MethodView):
    @blp.needs("deliveries:write")
    @blp.response(200, DeliveryDetail)
    def post(self, delivery_id: int) -> Any:
        """Of one in doubt: it arrived, leave it alone."""
        return service.detail(service.treat_as_sent(current_actor(), delivery_id))


@blp.route("/deliveries/<int:delivery_id>:send-again")
class DeliverySendAgain(MethodView):
    @blp.needs("deliveries:write")
    @blp.response(200, DeliveryDetail)
    def post(self, delivery_id: int) -> Any:
        """Of one in doubt: send it once more with the same Message-ID; it may arrive twice."""
        return service.detail(service.send_again(current_actor(), delivery_id))
