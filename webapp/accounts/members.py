"""The members of a workspace: who is added, with which role, who is suspended, who goes. The last owner stays (RELIABILITY C-64).

Whoever loses a role or a place is signed out everywhere, and what they invited beyond their new role is taken back.
"""

from sqlalchemy import select

from webapp.accounts import invitations, passwords, sessions
from webapp.accounts.models import Membership, User, Workspace
from webapp.accounts.persons import check_email, check_role, find_membership, find_user, get_workspace, new_user
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import live
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import InvalidState, NotFound, invalid
from webapp.core.paging import Page, PageRequest, paginate

LIVE_EVENT = "members-changed"
STATES = ("active", "suspended")


def list_members(actor: Actor, asked: PageRequest) -> Page[Membership]:
    """The members with their users; sort_by id or role."""
    actor.require("account:read")
    query = select(Membership).where(Membership.workspace_id == actor.workspace_id)
    return paginate(query, asked, sortable={"id": Membership.id, "role": Membership.role}, default="id", tie=Membership.id)


def get_member(actor: Actor, member_id: int) -> Membership:
    found = db.session.scalar(select(Membership).where(Membership.id == member_id, Membership.workspace_id == actor.workspace_id))
    if found is None:
        raise NotFound(f"There is no member with the id {member_id}.")
    return found


def status(member: Membership) -> str:
    """active or suspended: in this workspace, or altogether by the operator."""
    return "active" if member.suspended_at is None and member.user.status == "active" else "suspended"


def add_member(actor: Actor, *, email: str, name: str = "", password: str | None = None, role: str = "agent") -> Membership:
    """Make somebody a member without asking them; a new address needs a first password. `invitations.invite` asks.

    raises Forbidden below admin or for a role above one's own; Invalid about role, email, password
    """
    actor.require("workspaces:write")
    check_role(actor, role)
    address = check_email(email)
    user = find_user(address)
    if user is None:
        if not password:
            raise invalid("password", "Somebody new needs a first password.")
        passwords.check(password, about=address)
        user = new_user(address, name, password)
    elif find_membership(user.id, actor.workspace_id):
        raise invalid("email", f"{address} is a member already.")
    member = Membership(workspace_id=actor.workspace_id, user_id=user.id, role=role, user=user)
    db.session.add(member)
    db.session.flush()
    audit.record(actor, "member.create", target(member), after={"email": address, "role": role})
    live.notify(actor.workspace_id, LIVE_EVENT)
    return member


def update_member(actor: Actor, member_id: int, *, role: str | None = None, status: str | None = None) -> Membership:
    """Another role, another state, or both; what is not named stays."""
    actor.require("workspaces:write")
    member = get_member(actor, member_id)
    if role is None and status is None:
        raise invalid("role", "Name a role, a status, or both.")
    if role is not None:
        change_role(actor, member_id, role)
    if status is not None:
        (suspend if status == "suspended" else resume)(actor, member_id)
    return member


def change_role(actor: Actor, member_id: int, role: str) -> Membership:
    """raises Forbidden above one's own role, Invalid for an unknown role, InvalidState for the last owner"""
    actor.require("workspaces:write")
    member = get_member(actor, member_id)
    check_role(actor, role)
    check_role(actor, member.role)
    if member.role == "owner" and role != "owner":
        keep_an_owner(actor.workspace_id, member.user_id)
    before, member.role = member.role, role
    if before != role:
        _lost(actor, member, role)
        audit.record(actor, "member.update", target(member), before={"role": before}, after={"role": role})
    return member


def suspend(actor: Actor, member_id: int) -> Membership:
    """Close the workspace to a member, who keeps place and role; their tokens here stop working. Repeating it changes nothing.

    raises InvalidState for oneself and for the last owner
    """
    actor.require("workspaces:write")
    member = get_member(actor, member_id)
    check_role(actor, member.role)
    if member.user_id == actor.user_id:
        raise InvalidState("You cannot suspend yourself.", hint="Leave the workspace, or ask somebody else to suspend you.")
    if member.role == "owner":
        keep_an_owner(actor.workspace_id, member.user_id)
    if member.suspended_at is None:
        member.suspended_at = utcnow()
        _lost(actor, member, None)
        audit.record(actor, "member.suspend", target(member), before={"status": "active"}, after={"status": "suspended"})
    return member


def resume(actor: Actor, member_id: int) -> Membership:
    """Open the workspace to a suspended member again. Repeating it changes nothing.

    raises InvalidState for somebody whom the operator has suspended altogether
    """
    actor.require("workspaces:write")
    member = get_member(actor, member_id)
    check_role(actor, member.role)
    if member.user.status != "active":
        raise InvalidState(
            f"{member.user.email} is suspended on the whole installation.", hint="Whoever runs the server: python app.py user resume EMAIL."
        )
    if member.suspended_at is not None:
        member.suspended_at = None
        db.session.flush()
        audit.record(actor, "member.resume", target(member), before={"status": "suspended"}, after={"status": "active"})
        live.notify(actor.workspace_id, LIVE_EVENT)
    return member


def remove_member(actor: Actor, member_id: int) -> Membership:
    """raises InvalidState for the last owner"""
    actor.require("workspaces:write")
    member = get_member(actor, member_id)
    check_role(actor, member.role)
    return _remove(actor, member, "member.delete")


def leave_workspace(actor: Actor) -> Workspace:
    """Give one's own place up, whatever the role. raises InvalidState for the last owner"""
    workspace = get_workspace(actor)
    member = find_membership(actor.user_id or 0, actor.workspace_id)
    if member is None or actor.type != "user":
        raise NotFound("You are no member of this workspace.")
    _remove(actor, member, "member.leave")
    return workspace


def _remove(actor: Actor, member: Membership, action: str) -> Membership:
    if member.role == "owner":
        keep_an_owner(actor.workspace_id, member.user_id)
    _lost(actor, member, None)
    db.session.delete(member)
    audit.record(actor, action, target(member), before={"role": member.role})
    db.session.flush()
    return member


def _lost(actor: Actor, member: Membership, role: str | None) -> None:
    """What follows the loss of a role (None: of all rights)."""
    db.session.flush()
    sessions.end_all(member.user_id)
    invitations.withdraw_of(actor, member.user_id, role)
    live.notify(actor.workspace_id, LIVE_EVENT)


def target(member: Membership) -> Target:
    return Target("member", member.id, member.user.email)


def _active_owners(workspace_id: int) -> set[int]:
    query = (
        select(Membership.user_id)
        .join(User, User.id == Membership.user_id)
        .where(
            Membership.workspace_id == workspace_id, Membership.role == "owner", Membership.suspended_at.is_(None), User.status == "active"
        )
    )
    return set(db.session.scalars(query))


def count_owners(workspace_id: int) -> int:
    """How many owners can open a workspace; the last one cannot go."""
    return len(_active_owners(workspace_id))


def keep_an_owner(workspace_id: int, without: int) -> None:
    """raises InvalidState when nobody but the user `without` could act as owner; holds the workspace's row until the commit"""
    # Both of two owners who demote each other at the same moment would see two; the lock lets the second see what the first did.
    name = db.session.scalar(select(Workspace.name).where(Workspace.id == workspace_id).with_for_update())
    if not _active_owners(workspace_id) - {without}:
        raise InvalidState(f"This is the last owner of {name}.", hint="Make somebody else an owner first.")
