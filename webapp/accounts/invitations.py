"""Invitations: a place in a workspace that waits seven days for one address.

    invite ─> (mail) ─> found ─> accept | join_as_new
                 │        └── None: used, taken back, expired, or its inviter may no longer give that role
                 └── resend (a new link, seven days again), revoke

Nothing here answers differently for an address that has an account (RELIABILITY C-65); who has one is for the sign-in page to find out.
"""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, update

from webapp.accounts import letters, passwords
from webapp.accounts.models import Invitation, Membership, User, Workspace
from webapp.accounts.persons import actor_for, check_email, check_role, find_membership, find_user, get_workspace, new_user
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import live
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Forbidden, InvalidState, NotFound, TooMany, invalid
from webapp.core.lookup import get_mine, mine
from webapp.core.paging import Page, PageRequest, paginate
from webapp.core.scopes import ROLES

LIFE = timedelta(days=7)
#: between two mails to the same address
WAIT = timedelta(seconds=60)
#: open invitations of one workspace
MOST = 500
STATES = ("pending", "expired", "accepted", "revoked")
GONE = "This invitation was used already, was taken back, or is older than seven days."
_OPEN = and_(Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None))


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def target(invitation: Invitation) -> Target:
    return Target("invitation", invitation.id, invitation.email)


def status(invitation: Invitation) -> str:
    """pending, expired, accepted or revoked."""
    if invitation.accepted_at:
        return "accepted"
    if invitation.revoked_at:
        return "revoked"
    return "pending" if invitation.expires_at > utcnow() else "expired"


def in_state(state: str) -> ColumnElement[bool]:
    now = utcnow()
    return {
        "pending": and_(_OPEN, Invitation.expires_at > now),
        "expired": and_(_OPEN, Invitation.expires_at <= now),
        "accepted": Invitation.accepted_at.is_not(None),
        "revoked": Invitation.revoked_at.is_not(None),
    }[state]


def list_invitations(actor: Actor, asked: PageRequest, state: str | None = None) -> Page[Invitation]:
    """The invitations of the workspace, newest first; `state` is one of STATES."""
    actor.require("account:read")
    query = mine(actor, Invitation)
    if state:
        query = query.where(in_state(state))
    sortable = {"id": Invitation.id, "email": Invitation.email, "created_at": Invitation.created_at, "expires_at": Invitation.expires_at}
    return paginate(query, asked, sortable=sortable, default="id", tie=Invitation.id, descending=True)


def list_open(actor: Actor) -> list[Invitation]:
    """Those that still wait, expired ones included, oldest first."""
    actor.require("account:read")
    return list(db.session.scalars(mine(actor, Invitation).where(_OPEN).order_by(Invitation.id).limit(MOST)))


def get_invitation(actor: Actor, invitation_id: int, scope: str = "account:read") -> Invitation:
    actor.require(scope)
    return get_mine(actor, Invitation, invitation_id, "invitation")


def invite(actor: Actor, *, email: str, role: str = "agent") -> tuple[Invitation, str]:
    """Invite an address and mail the link to it. returns the invitation and the link

    raises Forbidden below admin, for a role above one's own, and for callers who are no person; Invalid about email or role
    """
    actor.require("workspaces:write")
    check_role(actor, role)
    if actor.user_id is None:
        raise Forbidden("An invitation needs a person who gives it.")
    address, now = check_email(email), utcnow()
    _check_free(actor, address)
    value = secrets.token_urlsafe(24)
    invitation = Invitation(
        workspace_id=actor.workspace_id, email=address, role=role, inviter_id=actor.user_id, secret_hash=_hash(value), sent_at=now,
        expires_at=now + LIFE,
    )  # fmt: skip
    db.session.add(invitation)
    db.session.flush()
    told = {"email": address, "role": role, "expires_at": invitation.expires_at}
    audit.record(actor, "invitation.create", target(invitation), after=told)
    return invitation, _send(actor, invitation, value)


def _check_free(actor: Actor, address: str) -> None:
    """raises Invalid about the address: a member, invited already, or one too many"""
    theirs = select(Membership.id).join(User, User.id == Membership.user_id).where(Membership.workspace_id == actor.workspace_id)
    if db.session.scalar(theirs.where(User.email == address)):
        raise invalid("email", f"{address} is a member already.")
    waiting = db.session.scalar(mine(actor, Invitation).where(_OPEN, Invitation.email == address))
    if waiting is not None and waiting.expires_at > utcnow():
        raise invalid("email", f"{address} is invited already. Resend that invitation, or revoke it first.")
    if waiting is not None:
        waiting.revoked_at = utcnow()
        db.session.flush()
    if (db.session.scalar(select(func.count()).select_from(mine(actor, Invitation).where(_OPEN).subquery())) or 0) >= MOST:
        raise invalid("email", f"{MOST} invitations wait already; revoke some first.")


def resend(actor: Actor, invitation_id: int) -> tuple[Invitation, str]:
    """Mail a new link for another seven days; the old one stops working. returns the invitation and the link

    raises Forbidden as `invite` does, InvalidState once it was used or taken back, TooMany within a minute of the last mail
    """
    invitation = get_invitation(actor, invitation_id, "workspaces:write")
    check_role(actor, invitation.role)
    if actor.user_id is None:
        raise Forbidden("An invitation needs a person who gives it.")
    _must_be_open(invitation)
    now, value = utcnow(), secrets.token_urlsafe(24)
    wait = (invitation.sent_at + WAIT - now).total_seconds()
    if wait > 0:
        raise TooMany("This invitation was sent within the last minute.", retry_after_s=int(wait) + 1)
    before = {"expires_at": invitation.expires_at}
    invitation.secret_hash, invitation.sent_at, invitation.expires_at = _hash(value), now, now + LIFE
    invitation.inviter_id = actor.user_id
    db.session.flush()
    audit.record(actor, "invitation.resend", target(invitation), before=before, after={"expires_at": invitation.expires_at})
    return invitation, _send(actor, invitation, value)


def _must_be_open(invitation: Invitation) -> None:
    if invitation.accepted_at is not None:
        raise InvalidState(f"{invitation.email} has accepted this invitation already.", hint="Look for them among the members.")
    if invitation.revoked_at is not None:
        raise InvalidState("This invitation was taken back already.", hint="Invite the address again.")


def _send(actor: Actor, invitation: Invitation, value: str) -> str:
    """Write the mail. returns the link in it"""
    workspace, inviter = get_workspace(actor), db.session.get_one(User, invitation.inviter_id)
    url = letters.link("/join", value)
    letters.send(
        "invitation", invitation.email, workspace_id=actor.workspace_id, request_id=actor.request_id, url=url, workspace=workspace.name,
        inviter=inviter.name or inviter.email, inviter_email=inviter.email, role=invitation.role, expires_at=invitation.expires_at,
    )  # fmt: skip
    live.notify(actor.workspace_id, "members-changed")
    return url


def revoke(actor: Actor, invitation_id: int) -> Invitation:
    """Take an invitation back; repeating it changes nothing.

    raises Forbidden for one to a role above one's own, InvalidState once it was used
    """
    invitation = get_invitation(actor, invitation_id, "workspaces:write")
    check_role(actor, invitation.role)
    if invitation.revoked_at is None:
        _must_be_open(invitation)
        _withdraw(actor, invitation)
    return invitation


def _withdraw(actor: Actor, invitation: Invitation) -> None:
    invitation.revoked_at = utcnow()
    db.session.flush()
    audit.record(actor, "invitation.revoke", target(invitation), before={"status": "pending"}, after={"status": "revoked"})
    live.notify(actor.workspace_id, "members-changed")


def withdraw_of(actor: Actor, user_id: int, role: str | None) -> None:
    """Take back what somebody invited and may no longer give: everything above `role`, or all of it (None)."""
    for invitation in list(db.session.scalars(mine(actor, Invitation).where(_OPEN, Invitation.inviter_id == user_id))):
        if role is None or role not in ("admin", "owner") or ROLES.index(invitation.role) > ROLES.index(role):
            _withdraw(actor, invitation)


# --- at the other end ----------------------------------------------------------------------------------


def find(value: str) -> Invitation | None:
    """The invitation of a link, while it can be accepted and its inviter may still give that role."""
    found = db.session.scalar(select(Invitation).where(Invitation.secret_hash == _hash(value), in_state("pending")))
    if found is None or db.session.scalar(select(Workspace.deleted_at).where(Workspace.id == found.workspace_id)) is not None:
        return None
    inviter = db.session.get(User, found.inviter_id) if found.inviter_id else None
    place = find_membership(inviter.id, found.workspace_id) if inviter is not None and inviter.status == "active" else None
    if place is None or place.suspended_at is not None or ROLES.index(place.role) < ROLES.index(found.role):
        return None
    return found


def find_used(value: str, user_id: int) -> Invitation | None:
    """The invitation of a link that this person has accepted before."""
    mine_ = Invitation.accepted_by_id == user_id
    return db.session.scalar(select(Invitation).where(Invitation.secret_hash == _hash(value), Invitation.accepted_at.is_not(None), mine_))


def inviter_of(invitation: Invitation) -> User:
    return db.session.get_one(User, invitation.inviter_id)


def workspace_of(invitation: Invitation) -> Workspace:
    return db.session.get_one(Workspace, invitation.workspace_id)


def accept(value: str, user: User, ip: str | None, request_id: str | None) -> Membership:
    """A signed-in person takes the place. raises NotFound for a stale link, Forbidden for another address than the one invited"""
    invitation = find(value)
    if invitation is None:
        raise NotFound(GONE, hint="Ask whoever invited you for a new one.")
    if user.email != invitation.email:
        raise Forbidden(
            f"This invitation is for {invitation.email}; you are signed in as {user.email}.", hint="Sign out and open the link again."
        )
    return _take(invitation, user, ip, request_id)


def join_as_new(value: str, *, name: str, password: str, ip: str | None, request_id: str | None) -> None:
    """Somebody without an account makes one and takes the place.

    For an address that has an account nothing happens, in the same time and with the same answer: they sign in and accept.
    raises NotFound for a stale link, Invalid about the password
    """
    invitation = find(value)
    if invitation is None:
        raise NotFound(GONE, hint="Ask whoever invited you for a new one.")
    passwords.check(password, about=invitation.email)
    if find_user(invitation.email) is not None:
        passwords.hash_password(password)
        return
    user = new_user(invitation.email, name, password)
    member = _take(invitation, user, ip, request_id)
    actor = actor_for(user, invitation.workspace_id, member.role, ip, request_id)
    audit.record(actor, "user.create", Target("user", user.id, user.email), after={"email": user.email, "role": member.role})


def _take(invitation: Invitation, user: User, ip: str | None, request_id: str | None) -> Membership:
    """Use the invitation up, once, and give the place. Somebody who became a member meanwhile keeps the role that they have."""
    still = update(Invitation).where(Invitation.id == invitation.id, _OPEN).values(accepted_at=utcnow(), accepted_by_id=user.id)
    result: Any = db.session.execute(still, execution_options={"synchronize_session": "fetch"})
    if result.rowcount != 1:
        raise NotFound(GONE, hint="Ask whoever invited you for a new one.")
    member = find_membership(user.id, invitation.workspace_id)
    joined = member is None
    if member is None:
        member = Membership(workspace_id=invitation.workspace_id, user_id=user.id, role=invitation.role, user=user)
        db.session.add(member)
        db.session.flush()
    actor = actor_for(user, invitation.workspace_id, member.role, ip, request_id)
    audit.record(actor, "invitation.accept", target(invitation), before={"status": "pending"}, after={"status": "accepted"})
    if joined:
        audit.record(actor, "member.join", Target("member", member.id, user.email), after={"email": user.email, "role": member.role})
    live.notify(invitation.workspace_id, "members-changed")
    return member
