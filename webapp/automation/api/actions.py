"""`/actions`, their parameters, and `/action-types`."""

from typing import Any

from flask.views import MethodView

from webapp.automation import parameters, saved_actions, schemas
from webapp.automation.api.blueprint import blp
from webapp.automation.api.rules import whole
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.core.rest import Deleted


@blp.route("/actions")
class Actions(MethodView):
    @blp.needs("actions:read")
    @blp.paged(schemas.ActionOut, schemas.ActionQuery)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List actions, newest first, secrets masked."""
        return saved_actions.list_actions(current_actor(), asked, filters)

    @blp.needs("actions:write")
    @blp.arguments(schemas.ActionIn)
    @blp.response(201, schemas.ActionOut)
    def post(self, new: dict[str, Any]) -> Any:
        """Create an action; its parameters are checked as the type declares them."""
        return saved_actions.create_action(current_actor(), **new)


@blp.route("/actions/<int:action_id>")
class OneAction(MethodView):
    @blp.needs("actions:read")
    @blp.response(200, schemas.ActionOut)
    def get(self, action_id: int) -> Any:
        """Show one action, secrets masked."""
        return saved_actions.get_action(current_actor(), action_id)

    @blp.needs("actions:write")
    @blp.arguments(schemas.ActionIn)
    @blp.response(200, schemas.ActionOut)
    def put(self, new: dict[str, Any], action_id: int) -> Any:
        """Replace an action; what is not sent goes back to its default, a secret sent back masked stays."""
        return saved_actions.update_action(current_actor(), action_id, new, replace=True)

    @blp.needs("actions:write")
    @blp.arguments(schemas.ActionPatch)
    @blp.response(200, schemas.ActionOut)
    def patch(self, changes: dict[str, Any], action_id: int) -> Any:
        """Change the given fields; of `parameters` only the given names, null takes one away."""
        return saved_actions.update_action(current_actor(), action_id, changes)

    @blp.needs("actions:write")
    @blp.arguments(schemas.ForceQuery, location="query")
    @blp.response(200, Deleted)
    def delete(self, options: dict[str, Any], action_id: int) -> Any:
        """Put an action into the trash; one in use is refused unless forced."""
        action = saved_actions.delete_action(current_actor(), action_id, force=options["force"])
        return {"id": action.id, "message": f"The action “{action.name}” is in the trash for 30 days."}


@blp.route("/actions/<int:action_id>/parameters")
class ActionParameters(MethodView):
    @blp.needs("actions:read")
    @blp.paged(schemas.ParameterOut)
    def get(self, asked: PageRequest, filters: dict[str, Any], action_id: int) -> Any:
        """List the parameters of an action with their values, secrets masked."""
        action = saved_actions.get_action(current_actor(), action_id)
        declared = saved_actions.type_of(action).parameters
        return whole(parameters.describe(declared, saved_actions.shown(action)), asked)


@blp.route("/action-types")
class ActionTypes(MethodView):
    @blp.needs("actions:read")
    @blp.paged(schemas.ActionTypeOut)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List the kinds of actions with their parameters."""
        return whole(schemas.action_type_list(), asked)
