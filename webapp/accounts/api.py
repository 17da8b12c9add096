"""`/workspaces` with members and invitations, and `/account`. A token works in one workspace: others are listed by name, and 404 in every
other way."""

from typing import Any

from flask import Flask
from flask.views import MethodView

from webapp.accounts import account, invitations, letters, members, persons, workspaces
from webapp.accounts.models import Invitation
from webapp.accounts.schemas import (
    AccountSchema,
    InvitationMade,
    InvitationNew,
    InvitationQuery,
    InvitationSchema,
    MemberNew,
    MemberPatch,
    MemberPut,
    MemberSchema,
    WorkspaceConfirm,
    WorkspaceNew,
    WorkspaceSchema,
    workspace_of,
)
from webapp.core import idempotency, openapi
from webapp.core.access import current_actor
from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.core.paging import Page, PageRequest, sliced
from webapp.core.rest import Blueprint, Deleted

blp = Blueprint("api_workspaces", __name__, url_prefix="/api/v1", description="Workspaces and who belongs to them")


def _here(workspace_id: int) -> Actor:
    """The caller, if this is the workspace of its token."""
    actor = current_actor()
    if actor.workspace_id != workspace_id:
        raise NotFound(f"There is no workspace with the id {workspace_id}.")
    return actor


def _shown(actor: Actor, workspace_id: int) -> Any:
    member = persons.find_place(actor.user_id or 0, workspace_id)
    if member is None:
        raise NotFound(f"There is no workspace with the id {workspace_id}.")
    return workspace_of(member, actor.workspace_id)


def _renamed(workspace_id: int, changes: dict[str, Any]) -> Any:
    actor = _here(workspace_id)
    workspaces.rename_workspace(actor, **changes)
    return _shown(actor, workspace_id)


@blp.route("/account")
class Account(MethodView):
    @blp.needs("account:read")
    @blp.response(200, AccountSchema)
    def get(self) -> Any:
        """Show the workspace of the token with its limits and what it uses of them."""
        return account.look(current_actor())


@blp.route("/workspaces")
class Workspaces(MethodView):
    @blp.needs("account:read")
    @blp.paged(WorkspaceSchema)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List the workspaces of the person behind the token."""
        actor = current_actor()
        return sliced([workspace_of(member, actor.workspace_id) for member in persons.list_workspaces(actor.user_id or 0)], asked)

    @blp.needs("workspaces:write")
    @blp.arguments(WorkspaceNew)
    @blp.response(201, WorkspaceSchema)
    def post(self, new: dict[str, Any]) -> Any:
        """Create a workspace, owned by the person behind the token; a token made there opens it."""
        actor = current_actor()
        return _shown(actor, workspaces.create_workspace(actor, **new).id)


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
        return _renamed(workspace_id, changes)

    @blp.needs("workspaces:write")
    @blp.arguments(WorkspaceNew)
    @blp.response(200, WorkspaceSchema)
    def put(self, changes: dict[str, Any], workspace_id: int) -> Any:
        """Rename the workspace of the token, as PATCH does."""
        return _renamed(workspace_id, changes)

    @blp.needs("workspaces:write")
    @blp.arguments(WorkspaceConfirm, location="query")
    @blp.response(200, Deleted)
    def delete(self, asked: dict[str, Any], workspace_id: int) -> Any:
        """Delete the workspace of the token with everything in it; for owners, and for good."""
        gone = workspaces.delete_workspace(_here(workspace_id), confirm=asked["confirm"])
        return {"id": gone.id, "message": f"The workspace {gone.name} is deleted."}


@blp.route("/workspaces/<int:workspace_id>/members")
class Members(MethodView):
    @blp.needs("account:read")
    @blp.paged(MemberSchema)
    def get(self, asked: PageRequest, filters: dict[str, Any], workspace_id: int) -> Any:
        """List the members of the workspace."""
        return members.list_members(_here(workspace_id), asked)

    @blp.needs("workspaces:write")
    @blp.arguments(MemberNew)
    @blp.response(201, MemberSchema)
    def post(self, new: dict[str, Any], workspace_id: int) -> Any:
        """Add a member without asking them; somebody new needs a first password."""
        return members.add_member(_here(workspace_id), **new)


@blp.route("/workspaces/<int:workspace_id>/members/<int:member_id>")
class Member(MethodView):
    @blp.needs("account:read")
    @blp.response(200, MemberSchema)
    def get(self, workspace_id: int, member_id: int) -> Any:
        """Show one member."""
        return members.get_member(_here(workspace_id), member_id)

    @blp.needs("workspaces:write")
    @blp.arguments(MemberPatch)
    @blp.response(200, MemberSchema)
    def patch(self, changes: dict[str, Any], workspace_id: int, member_id: int) -> Any:
        """Give a member another role, suspend or resume them; the last owner stays one."""
        return members.update_member(_here(workspace_id), member_id, **changes)

    @blp.needs("workspaces:write")
    @blp.arguments(MemberPut)
    @blp.response(200, MemberSchema)
    def put(self, changes: dict[str, Any], workspace_id: int, member_id: int) -> Any:
        """Give a member another role; the last owner stays one."""
        return members.update_member(_here(workspace_id), member_id, **changes)

    @blp.needs("workspaces:write")
    @blp.response(200, Deleted)
    def delete(self, workspace_id: int, member_id: int) -> Any:
        """Remove a member; their tokens in this workspace stop working at once."""
        member = members.remove_member(_here(workspace_id), member_id)
        return {"id": member.id, "message": f"{member.user.email} is no longer a member."}


@blp.route("/workspaces/<int:workspace_id>/invitations")
class Invitations(MethodView):
    @blp.needs("account:read")
    @blp.paged(InvitationSchema, InvitationQuery)
    def get(self, asked: PageRequest, filters: dict[str, Any], workspace_id: int) -> Page[Invitation]:
        """List the invitations of the workspace, newest first."""
        return invitations.list_invitations(_here(workspace_id), asked, filters.get("status"))

    @blp.needs("workspaces:write")
    @blp.arguments(InvitationNew)
    @blp.response(201, InvitationMade)
    def post(self, new: dict[str, Any], workspace_id: int) -> Any:
        """Invite an address by mail; the link works once, for seven days."""
        return _made(*invitations.invite(_here(workspace_id), **new))


@blp.route("/workspaces/<int:workspace_id>/invitations/<int:invitation_id>")
class OneInvitation(MethodView):
    @blp.needs("account:read")
    @blp.response(200, InvitationSchema)
    def get(self, workspace_id: int, invitation_id: int) -> Any:
        """Show one invitation."""
        return invitations.get_invitation(_here(workspace_id), invitation_id)

    @blp.needs("workspaces:write")
    @blp.response(200, Deleted)
    def delete(self, workspace_id: int, invitation_id: int) -> Any:
        """Take an invitation back; its link stops working."""
        gone = invitations.revoke(_here(workspace_id), invitation_id)
        return {"id": gone.id, "message": f"The invitation of {gone.email} is taken back."}


@blp.route("/workspaces/<int:workspace_id>/invitations/<int:invitation_id>:resend")
class ResendInvitation(MethodView):
    @blp.needs("workspaces:write")
    @blp.response(200, InvitationMade)
    def post(self, workspace_id: int, invitation_id: int) -> Any:
        """Mail a new link for another seven days; the old one stops working."""
        return _made(*invitations.resend(_here(workspace_id), invitation_id))


def _made(invitation: Invitation, url: str) -> dict[str, Any]:
    """A fresh link is for the mail alone, unless the mail stays here, where it could not be read."""
    idempotency.one_time("url")
    shown = {column.key: getattr(invitation, column.key) for column in Invitation.__table__.c}
    return {**shown, "status": invitations.status(invitation), "url": url if letters.captured() else None}


def init_app(app: Flask) -> None:
    openapi.register(blp)
