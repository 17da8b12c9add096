"""The rule of a workspace that its members sign in with a second factor. It stands before pages; tokens are no way around or past it.

A token was made by a member who could, has its own limits and an end, and opens no page: it goes on working, so that no mail stops
because a colleague has not set up an app yet. Making a further one at a page needs the second factor like everything else there.
"""

from sqlalchemy import select

from webapp.accounts import second_factor
from webapp.accounts.models import Membership, User, Workspace
from webapp.accounts.models_security import SecondFactor
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import InvalidState, NotFound


def find(actor: Actor) -> bool:
    """Whether the workspace demands a second factor."""
    return bool(db.session.scalar(select(Workspace.second_factor_required).where(Workspace.id == actor.workspace_id)))


def members_without(actor: Actor, most: int = 100) -> list[User]:
    """Members who have no second factor, by address; at most `most`."""
    actor.require("account:read")
    query = (
        select(User)
        .join(Membership, Membership.user_id == User.id)
        .outerjoin(SecondFactor, SecondFactor.user_id == User.id)
        .where(Membership.workspace_id == actor.workspace_id, SecondFactor.user_id.is_(None))
    )
    return list(db.session.scalars(query.order_by(User.email).limit(most)))


def set_rule(actor: Actor, required: bool) -> Workspace:
    """Demand a second factor of every member, or stop to. raises Forbidden below owner, InvalidState for an owner without one"""
    actor.require("workspaces:write")
    actor.require_role("owner", "Demanding a second factor")
    if required and not second_factor.is_on(actor.user_id or 0):
        raise InvalidState("You have no second factor yourself.", hint="Turn it on for your own account first, then demand it of others.")
    workspace = db.session.get(Workspace, actor.workspace_id)
    if workspace is None:
        raise NotFound("There is no such workspace.")
    before, workspace.second_factor_required = workspace.second_factor_required, required
    audit.record(
        actor, "workspace.update", Target("workspace", workspace.id, workspace.name),
        before={"second_factor_required": before}, after={"second_factor_required": required},
    )  # fmt: skip
    return workspace
