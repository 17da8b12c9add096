"""`/mailboxes/{id}/logs`, also spelled `/mailbox/{id}/logs`: what routes did, trying again, and replay."""

from typing import Any

from flask.views import MethodView

from webapp.automation import run_views, runs, schemas_runs
from webapp.automation.api.blueprint import blp
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest

WORDS = {"incoming": "received", "outgoing": "sent"}


@blp.route("/mailboxes/<int:mailbox_id>/logs", "/mailbox/<int:mailbox_id>/logs")
class Logs(MethodView):
    @blp.needs("logs:read")
    @blp.paged(schemas_runs.RunOut, schemas_runs.RunQuery, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any], mailbox_id: int) -> Any:
        """List the route log of a mailbox, newest first."""
        filters["route_id"] = filters["route_id"] or filters.pop("route", None)
        filters["direction"] = WORDS.get(filters["direction"], filters["direction"])
        return runs.list_runs(current_actor(), asked, filters, mailbox_id)


@blp.route("/mailboxes/<int:mailbox_id>/logs/<int:log_id>", "/mailbox/<int:mailbox_id>/logs/<int:log_id>")
class OneLog(MethodView):
    @blp.needs("logs:read")
    @blp.response(200, schemas_runs.RunDetailOut)
    def get(self, mailbox_id: int, log_id: int) -> Any:
        """Show one route log: every rule's verdict, every attempt of every action."""
        return run_views.detail(current_actor(), log_id, mailbox_id)


@blp.route("/mailboxes/<int:mailbox_id>/logs/<int:log_id>:retry", "/mailbox/<int:mailbox_id>/logs/<int:log_id>:retry")
class RetryLog(MethodView):
    @blp.needs("testmail:run")
    @blp.response(202, schemas_runs.RunOut)
    def post(self, mailbox_id: int, log_id: int) -> Any:
        """Let a run that waits go at once; one that failed or was parked goes again from the action that failed."""
        return runs.retry_now(current_actor(), log_id, mailbox_id)


@blp.route(
    "/mailboxes/<int:mailbox_id>/archives/<int:archive_id>/replay", "/mailbox/<int:mailbox_id>/archives/<int:archive_id>/replay"
)
class Replay(MethodView):
    @blp.needs("testmail:run")
    @blp.arguments(schemas_runs.ReplayIn)
    @blp.response(202, schemas_runs.TestAccepted)
    def post(self, options: dict[str, Any], mailbox_id: int, archive_id: int) -> Any:
        """Run the routes again on a stored mail."""
        return run_views.accepted(runs.replay(current_actor(), mailbox_id, archive_id, options["route_id"]))
