"""People: set-up, sign-in, passwords, one's own profile. Members, workspaces and invitations have modules of their own beside this one."""

from dataclasses import dataclass

from sqlalchemy import select

from webapp.accounts import passwords, second_factor, sessions, throttle
from webapp.accounts.members import add_member as add_member
from webapp.accounts.models import User, Workspace
from webapp.accounts.persons import actor_for as actor_for
from webapp.accounts.persons import check_email as check_email
from webapp.accounts.persons import check_title
from webapp.accounts.persons import default_workspace as default_workspace
from webapp.accounts.persons import find_membership as find_membership
from webapp.accounts.persons import get_workspace as get_workspace
from webapp.accounts.persons import has_owner as has_owner
from webapp.accounts.persons import list_workspaces as list_workspaces
from webapp.accounts.persons import new_user as new_user
from webapp.accounts.workspaces import add_workspace
from webapp.accounts.workspaces import create_workspace as create_workspace
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Forbidden, Invalid, InvalidState, Unauthenticated
from webapp.mail.address import BadAddress, normalise

BAD_SIGN_IN = "The address or the password is wrong."


@dataclass(frozen=True)
class SignedIn:
    user: User
    workspace_id: int


def set_up(*, name: str, email: str, password: str, workspace: str, ip: str | None, request_id: str | None) -> SignedIn:
    """Create the first owner and their workspace.

    raises InvalidState when there is an owner already; Invalid about email, password, workspace
    """
    if has_owner():
        raise InvalidState("Mailroom is set up already.", hint="Sign in, or ask an owner for an invitation.")
    user, made = _create_owner(name, email, password, workspace)
    actor = actor_for(user, made.id, "owner", ip, request_id)
    audit.record(actor, "workspace.create", Target("workspace", made.id, made.name), after={"name": made.name})
    audit.record(actor, "user.create", Target("user", user.id, user.email), after={"email": user.email, "role": "owner"})
    return SignedIn(user, made.id)


def _create_owner(name: str, email: str, password: str, workspace: str) -> tuple[User, Workspace]:
    address = check_email(email)
    passwords.check(password, about=address)
    check_title(workspace, "workspace")
    user = new_user(address, name, password)
    return user, add_workspace(workspace, user.id, "workspace")


def sign_in(*, email: str, password: str, ip: str | None, request_id: str | None) -> SignedIn:
    """Check an address and a password; the same answer and time whether the address exists or not.

    raises TooMany (throttled), Unauthenticated (wrong); failures are audited
    """
    throttle.take("sign_in", email, ip)
    try:
        address = normalise(email.strip())
    except BadAddress:
        address = ""
    user = db.session.scalar(select(User).where(User.email == address)) if address else None
    fits = passwords.matches(user.password_hash if user else None, password)
    if user is None or not fits or user.status != "active":
        user_id = user.id if user else None
        db.session.rollback()
        actor = Actor(type="user", workspace_id=0, id=user_id, name=address or email.strip()[:120], ip=ip, request_id=request_id)
        audit.record_refused(actor, "session.create", Target("user", user_id, actor.name), "wrong address or password")
        raise Unauthenticated(BAD_SIGN_IN, hint="Check both; after five failures the way is closed for 15 minutes.")
    throttle.give_back("sign_in", email, ip)
    workspace_id = default_workspace(user.id)
    actor = actor_for(user, workspace_id, "viewer", ip, request_id)
    if not second_factor.is_on(user.id):  # otherwise the sign-in is done, and audited, when its code has come
        audit.record(actor, "session.create", Target("user", user.id, user.email))
    return SignedIn(user, workspace_id)


def change_password(actor: Actor, *, current: str, new: str) -> None:
    """Set one's own password; every session of the person ends, tokens go on.

    raises Invalid about current or new, TooMany after repeated wrong ones
    """
    user = db.session.get(User, actor.user_id) if actor.user_id else None
    if user is None:
        raise Forbidden("Only a person has a password.")
    throttle.take("password", user.email, actor.ip)
    if not passwords.matches(user.password_hash, current):
        target = Target("user", user.id, user.email)
        db.session.rollback()
        audit.record_refused(actor, "user.password", target, "wrong current password")
        raise Invalid("The current password is wrong.", fields={"current": ["This is not the current password."]})
    throttle.give_back("password", user.email, actor.ip)
    set_password(actor, user, new, field="new")


def set_password(actor: Actor, user: User, password: str, *, field: str = "password") -> None:
    passwords.check(password, field=field, about=user.email)
    user.password_hash = passwords.hash_password(password)
    user.password_changed_at = utcnow()
    sessions.end_all(user.id)
    audit.record(actor, "user.password", Target("user", user.id, user.email))


def change_profile(actor: Actor, *, name: str) -> User:
    user = db.session.get(User, actor.user_id) if actor.user_id else None
    if user is None:
        raise Forbidden("Only a person has a profile.")
    before = {"name": user.name}
    user.name = name.strip()[:120]
    audit.record(actor, "user.update", Target("user", user.id, user.email), before=before, after={"name": user.name})
    return user
