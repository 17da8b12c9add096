"""`/deliveries:cancel` and its like: one step over all that a filter matches; `/delivery-holds`; `/deliveries/destinations`."""

from typing import Any

from flask.views import MethodView

from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.core.rest import Deleted
from webapp.sending import destination_view, holding_back, orders
from webapp.sending.api.blueprint import blp
from webapp.sending.models import Order
from webapp.sending.schemas import DestinationOut, HoldIn, HoldOut, OrderIn, OrderOut


def _order(order: Order) -> dict[str, Any]:
    return {
        "id": order.id, "status": order.state, "verb": order.verb, "total": order.total, "changed": order.changed,
        "sentence": orders.said(order), "by_state": {}, "finished_at": order.finished_at,
    }  # fmt: skip


def _act(verb: str, asked: dict[str, Any]) -> Any:
    """A preview, or the order itself: 200 when it is done, 202 while it goes on."""
    if asked["preview"]:
        effect = orders.preview(current_actor(), verb, asked["filter"])
        return {
            "id": None, "status": "preview", "verb": verb, "total": effect.possible, "changed": 0, "sentence": effect.sentence,
            "by_state": effect.by_state, "finished_at": None,
        }  # fmt: skip
    order = orders.give(current_actor(), verb, asked["filter"])
    return _order(order), 202 if order.state == "running" else 200


@blp.route("/deliveries:retry")
class DeliveriesRetry(MethodView):
    @blp.needs("deliveries:write")
    @blp.arguments(OrderIn)
    @blp.also(202, OrderOut, "There are many, so it goes on in the background")
    @blp.response(200, OrderOut)
    def post(self, asked: dict[str, Any]) -> Any:
        """Send all that match now: before their time, or again."""
        return _act("retry", asked)


@blp.route("/deliveries:hold")
class DeliveriesHold(MethodView):
    @blp.needs("deliveries:write")
    @blp.arguments(OrderIn)
    @blp.also(202, OrderOut, "There are many, so it goes on in the background")
    @blp.response(200, OrderOut)
    def post(self, asked: dict[str, Any]) -> Any:
        """Keep all waiting ones that match back until they are released."""
        return _act("hold", asked)


@blp.route("/deliveries:release")
class DeliveriesRelease(MethodView):
    @blp.needs("deliveries:write")
    @blp.arguments(OrderIn)
    @blp.also(202, OrderOut, "There are many, so it goes on in the background")
    @blp.response(200, OrderOut)
    def post(self, asked: dict[str, Any]) -> Any:
        """Let all held ones that match go."""
        return _act("release", asked)


@blp.route("/deliveries:cancel")
class DeliveriesCancel(MethodView):
    @blp.needs("deliveries:write")
    @blp.arguments(OrderIn)
    @blp.also(202, OrderOut, "There are many, so it goes on in the background")
    @blp.response(200, OrderOut)
    def post(self, asked: dict[str, Any]) -> Any:
        """Give all waiting ones that match up for good."""
        return _act("cancel", asked)


@blp.route("/deliveries:treat-as-sent")
class DeliveriesTreatAsSent(MethodView):
    @blp.needs("deliveries:write")
    @blp.arguments(OrderIn)
    @blp.also(202, OrderOut, "There are many, so it goes on in the background")
    @blp.response(200, OrderOut)
    def post(self, asked: dict[str, Any]) -> Any:
        """Of those in doubt that match: they arrived, leave them alone."""
        return _act("treat_as_sent", asked)


@blp.route("/deliveries:send-again")
class DeliveriesSendAgain(MethodView):
    @blp.needs("deliveries:write")
    @blp.arguments(OrderIn)
    @blp.also(202, OrderOut, "There are many, so it goes on in the background")
    @blp.response(200, OrderOut)
    def post(self, asked: dict[str, Any]) -> Any:
        """Send those in doubt that match once more, with the same Message-ID; they may arrive twice."""
        return _act("send_again", asked)


@blp.route("/delivery-orders/<int:order_id>")
class DeliveryOrder(MethodView):
    @blp.needs("deliveries:read")
    @blp.response(200, OrderOut)
    def get(self, order_id: int) -> Any:
        """Show how far an order over many deliveries is."""
        return _order(orders.get_order(current_actor(), order_id))


@blp.route("/delivery-orders/<int:order_id>:stop")
class DeliveryOrderStop(MethodView):
    @blp.needs("deliveries:write")
    @blp.response(200, OrderOut)
    def post(self, order_id: int) -> Any:
        """End a running order after its current batch; what it changed stays."""
        return _order(orders.stop(current_actor(), order_id))


@blp.route("/deliveries/destinations")
class Destinations(MethodView):
    @blp.needs("deliveries:read")
    @blp.paged(DestinationOut)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List the domains for which most mail waits, each with the last words of its server."""
        return destination_view.list_destinations(current_actor(), asked)


@blp.route("/delivery-holds")
class DeliveryHolds(MethodView):
    @blp.needs("deliveries:read")
    @blp.paged(HoldOut)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List the domains and mailboxes that are on hold."""
        return holding_back.list_holds(current_actor(), asked)

    @blp.needs("deliveries:write")
    @blp.arguments(HoldIn)
    @blp.response(201, HoldOut)
    def post(self, new: dict[str, Any]) -> Any:
        """Put a domain or a mailbox on hold: what waits for it and what comes later is kept back."""
        return holding_back.hold(current_actor(), **new)


@blp.route("/delivery-holds/<int:hold_id>")
class DeliveryHold(MethodView):
    @blp.needs("deliveries:read")
    @blp.response(200, HoldOut)
    def get(self, hold_id: int) -> Any:
        """Show one hold."""
        return holding_back.get_hold(current_actor(), hold_id)

    @blp.needs("deliveries:write")
    @blp.response(200, Deleted)
    def delete(self, hold_id: int) -> Any:
        """Lift a hold: what it held goes on."""
        return holding_back.lift(current_actor(), hold_id)
