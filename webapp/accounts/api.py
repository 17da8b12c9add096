"""`/workspaces` and their members. A token works in one workspace: others are listed by name, and 404 in every other way."""

from typing import Any

from flask import Flask
from flask.views import MethodView

from webapp.accounts import service
from webapp.accounts.schemas import MemberNew, MemberPatch, MemberSchema, WorkspaceNew, WorkspaceSchema, workspace_of
from webapp.core import openapi
from webapp.core.access import current_actor
from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.core.paging import PageRequest, sliced
from webapp.core.rest import Blueprint, Deleted

blp = Blueprint("api_workspaces", __name__, url_prefix="/api/v1", description="Workspaces and who belongs to them")


def _here(workspace_id: int) -> Actor:
    """The caller, if this is the workspace of its token."""
    actor = current_actor()
    if actor.workspace_id != workspace_id:
        raise NotFound(f"There is no workspace with the id {workspace_id}.")
    return actor


def _shown(actor: Actor, workspace_id: int) -> Any:
    member = service.find_membership(actor.user_id or 0, workspace_id)
    if member is None:
        raise NotFound(f"There is no workspace with the id {workspace_id}.")
    return workspace_of(member, actor.workspace_id)


@blp.route("/workspaces")
class Workspaces(MethodView):
    @blp.needs("account:read")
    @blp.paged(WorkspaceSchema)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List the workspaces of the person behind the token."""
        actor = current_actor()
        return sliced([workspace_of(member, actor.workspace_id) for member in service.list_workspaces(actor.user_id or 0)], asked)

    @blp.needs("workspaces:write")
    @blp.arguments(WorkspaceNew)
    @blp.response(201, WorkspaceSchema)
    def post(self, new: dict[str, Any]) -> Any:
        """Create a workspace, owned by the person behind the token; a token made there opens it."""
        actor = current_actor()
        return _shown(actor, service.create_workspace(actor, **new).id)


@blp.route("/workspaces/<int:workspace_id>")
class OneWorkspace(MethodView):
    @blp.needs("account:read")
    @blp.response(200, WorkspaceSchema)
    def get(self, workspace_id: int) -> Any:
        """Show the workspace of the token."""
        return _shown(_here(workspace_id), workspace_id)

    @blp.needs("workspaces:write")
    @blp.arguments(WorkspaceNew)
    @blp.response(200, WorkspaceSchema)
    def patch(self, changes: dict[str, Any], workspace_id: int) -> Any:
        """Rename the workspace of the token."""
        actor = _here(workspace_id)
        service.rename_workspace(actor, **changes)
        return _shown(actor, workspace_id)


@blp.route("/workspaces/<int:workspace_id>/members")
class Members(MethodView):
    @blp.needs("account:read")
    @blp.paged(MemberSchema)
    def get(self, asked: PageRequest, filters: dict[str, Any], workspace_id: int) -> Any:
        """List the members of the workspace."""
        return service.list_members(_here(workspace_id), asked)

    @blp.needs("workspaces:write")
    @blp.arguments(MemberNew)
    @blp.response(201, MemberSchema)
    def post(self, new: dict[str, Any], workspace_id: int) -> Any:
        """Add a member; somebody new needs a first password."""
        return service.add_member(_here(workspace_id), **new)


@blp.route("/workspaces/<int:workspace_id>/members/<int:member_id>")
class Member(MethodView):
    @blp.needs("account:read")
    @blp.response(200, MemberSchema)
    def get(self, workspace_id: int, member_id: int) -> Any:
        """Show one member."""
        return service.get_member(_here(workspace_id), member_id)

    @blp.needs("workspaces:write")
    @blp.arguments(MemberPatch)
    @blp.response(200, MemberSchema)
    def patch(self, changes: dict[str, Any], workspace_id: int, member_id: int) -> Any:
        """Give a member another role; the last owner stays one."""
        return service.change_role(_here(workspace_id), member_id, changes["role"])

    @blp.needs("workspaces:write")
    @blp.response(200, Deleted)
    def delete(self, workspace_id: int, member_id: int) -> Any:
        """Remove a member; their tokens in this workspace stop working at once."""
        member = service.remove_member(_here(workspace_id), member_id)
        return {"id": member.id, "message": f"{member.user.email} is no longer a member."}


def init_app(app: Flask) -> None:
    openapi.register(blp)
