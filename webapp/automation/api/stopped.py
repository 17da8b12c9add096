"""`/stopped-pairs`: automatic mail between a mailbox and somebody that looked like a loop, and letting it go on."""

from typing import Any

from flask.views import MethodView

from webapp.automation import exchanges
from webapp.automation.api.blueprint import blp
from webapp.automation.schemas_exchanges import StoppedOut
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest


@blp.route("/stopped-pairs")
class StoppedPairs(MethodView):
    @blp.needs("logs:read")
    @blp.paged(StoppedOut, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List pairs of mailbox and correspondent between which nothing goes by itself any more, because it looked like a loop."""
        return exchanges.list_stopped(current_actor(), asked)


@blp.route("/stopped-pairs/<int:stopped_id>:release")
class ReleasePair(MethodView):
    @blp.needs("routes:write")
    @blp.response(200, StoppedOut)
    def post(self, stopped_id: int) -> Any:
        """Let a stopped pair go on with a new budget; mail that was held back is not sent by this."""
        return exchanges.release(current_actor(), stopped_id)
