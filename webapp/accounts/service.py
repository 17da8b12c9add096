"""People: set-up, sign-in, passwords, workspaces and memberships."""

from dataclasses import dataclass

from sqlalchemy import func, select

from webapp.accounts import passwords, sessions, throttle
from webapp.accounts.models import Membership, User, Workspace
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import events
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Forbidden, Invalid, InvalidState, NotFound, Unauthenticated, invalid
from webapp.core.paging import Page, PageRequest, paginate
from webapp.core.scopes import ROLES
from webapp.mail.address import BadAddress, normalise

BAD_SIGN_IN = "The address or the password is wrong."


@dataclass(frozen=True)
class SignedIn:
    user: User
    workspace_id: int


def check_email(text: str, field: str = "email") -> str:
    """A normalised address. raises Invalid about `field`"""
    try:
        return normalise(text.strip())
    except BadAddress as error:
        raise invalid(field, str(error)) from None


def has_owner() -> bool:
    """Whether the installation has been set up."""
    return db.session.scalar(select(Membership.id).where(Membership.role == "owner").limit(1)) is not None


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
    title = workspace.strip()
    if not 1 <= len(title) <= 80:
        raise invalid("workspace", "A workspace has a name of 1 to 80 characters.")
    user = new_user(address, name, password)
    made = Workspace(name=title, settings={})
    db.session.add(made)
    db.session.flush()
    db.session.add(Membership(workspace_id=made.id, user_id=user.id, role="owner"))
    db.session.flush()
    events.send("workspace_created", workspace_id=made.id)
    return user, made


def new_user(address: str, name: str, password: str) -> User:
    """raises Invalid when the address is taken"""
    if db.session.scalar(select(User.id).where(User.email == address)):
        raise invalid("email", f"{address} has an account already; sign in with it.")
    user = User(email=address, name=name.strip()[:120], password_hash=passwords.hash_password(password), password_changed_at=utcnow())
    db.session.add(user)
    db.session.flush()
    return user


def actor_for(user: User, workspace_id: int, role: str, ip: str | None = None, request_id: str | None = None) -> Actor:
    """A person at a page: all scopes, limited by the role."""
    return Actor(
        type="user", workspace_id=workspace_id, id=user.id, user_id=user.id, name=user.email, role=role, scopes=frozenset({"*"}),
        ip=ip, request_id=request_id,
    )  # fmt: skip


def sign_in(*, email: str, password: str, ip: str | None, request_id: str | None) -> SignedIn:
    """Check an address and a password; the same answer and time whether the address exists or not.

    raises TooMany (throttled), Unauthenticated (wrong); failures are audited
    """
    throttle.guard("sign_in", email, ip)
    try:
        address = normalise(email.strip())
    except BadAddress:
        address = ""
    user = db.session.scalar(select(User).where(User.email == address)) if address else None
    fits = passwords.matches(user.password_hash if user else None, password)
    if user is None or not fits or user.status != "active":
        user_id = user.id if user else None
        throttle.note_failure("sign_in", email, ip)
        db.session.rollback()
        actor = Actor(type="user", workspace_id=0, id=user_id, name=address or email.strip()[:120], ip=ip, request_id=request_id)
        audit.record_refused(actor, "session.create", Target("user", user_id, actor.name), "wrong address or password")
        raise Unauthenticated(BAD_SIGN_IN, hint="Check both; after five failures the way is closed for 15 minutes.")
    throttle.note_success("sign_in", email, ip)
    workspace_id = default_workspace(user.id)
    actor = actor_for(user, workspace_id, "viewer", ip, request_id)
    audit.record(actor, "session.create", Target("user", user.id, user.email))
    return SignedIn(user, workspace_id)


def default_workspace(user_id: int) -> int:
    """The first workspace of a user; 0 when they have none."""
    found = db.session.scalar(select(Membership.workspace_id).where(Membership.user_id == user_id).order_by(Membership.id).limit(1))
    return found or 0


def find_membership(user_id: int, workspace_id: int) -> Membership | None:
    return db.session.scalar(select(Membership).where(Membership.user_id == user_id, Membership.workspace_id == workspace_id))


def list_workspaces(user_id: int) -> list[Membership]:
    """The memberships of a user, with their workspaces, by name."""
    query = select(Membership).join(Workspace, Workspace.id == Membership.workspace_id).where(Membership.user_id == user_id)
    return list(db.session.scalars(query.order_by(Workspace.name)))


def list_members(actor: Actor, asked: PageRequest) -> Page[Membership]:
    """The members with their users; sort_by id or role."""
    actor.require("account:read")
    query = select(Membership).where(Membership.workspace_id == actor.workspace_id)
    return paginate(query, asked, sortable={"id": Membership.id, "role": Membership.role}, default="id", tie=Membership.id)


def count_owners(workspace_id: int) -> int:
    """How many owners a workspace has; the last one cannot go."""
    owners = select(func.count()).select_from(Membership).where(Membership.workspace_id == workspace_id, Membership.role == "owner")
    return db.session.scalar(owners) or 0


def create_workspace(actor: Actor, *, name: str) -> Workspace:
    """A further workspace; who makes it owns it. raises Forbidden below admin (somebody without any workspace may), Invalid about name"""
    if actor.workspace_id:
        actor.require("workspaces:write")
    title = name.strip()
    if not 1 <= len(title) <= 80:
        raise invalid("name", "A workspace has a name of 1 to 80 characters.")
    if actor.user_id is None:
        raise Forbidden("A workspace needs a person who owns it.")
    made = Workspace(name=title, settings={})
    db.session.add(made)
    db.session.flush()
    db.session.add(Membership(workspace_id=made.id, user_id=actor.user_id, role="owner"))
    db.session.flush()
    events.send("workspace_created", workspace_id=made.id)
    audit.record(actor, "workspace.create", Target("workspace", made.id, made.name), after={"name": made.name}, workspace_id=made.id)
    return made


def rename_workspace(actor: Actor, *, name: str) -> Workspace:
    actor.require("workspaces:write")
    title = name.strip()
    if not 1 <= len(title) <= 80:
        raise invalid("name", "A workspace has a name of 1 to 80 characters.")
    workspace = get_workspace(actor)
    before = {"name": workspace.name}
    workspace.name = title
    audit.record(actor, "workspace.update", Target("workspace", workspace.id, title), before=before, after={"name": title})
    return workspace


def get_workspace(actor: Actor) -> Workspace:
    found = db.session.get(Workspace, actor.workspace_id)
    if found is None:
        raise NotFound("There is no such workspace.")
    return found


def add_member(actor: Actor, *, email: str, name: str = "", password: str | None = None, role: str = "agent") -> Membership:
    """Make somebody a member; a new address needs a first password.

    raises Forbidden below admin or for a role above one's own; Invalid about role, email, password
    """
    actor.require("workspaces:write")
    _check_role(actor, role)
    address = check_email(email)
    user = db.session.scalar(select(User).where(User.email == address))
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
    audit.record(actor, "member.create", Target("member", member.id, address), after={"email": address, "role": role})
    return member


def change_role(actor: Actor, member_id: int, role: str) -> Membership:
    """raises Forbidden above one's own role, Invalid for an unknown role, InvalidState for the last owner"""
    actor.require("workspaces:write")
    member = get_member(actor, member_id)
    _check_role(actor, role)
    _check_role(actor, member.role)
    if member.role == "owner" and role != "owner":
        _keep_an_owner(actor.workspace_id)
    before, member.role = member.role, role
    if before != role:
        sessions.end_all(member.user_id)
    audit.record(actor, "member.update", Target("member", member.id, member.user.email), before={"role": before}, after={"role": role})
    return member


def remove_member(actor: Actor, member_id: int) -> Membership:
    """raises InvalidState for the last owner"""
    actor.require("workspaces:write")
    member = get_member(actor, member_id)
    _check_role(actor, member.role)
    if member.role == "owner":
        _keep_an_owner(actor.workspace_id)
    sessions.end_all(member.user_id)
    db.session.delete(member)
    audit.record(actor, "member.delete", Target("member", member.id, member.user.email), before={"role": member.role})
    db.session.flush()
    return member


def get_member(actor: Actor, member_id: int) -> Membership:
    found = db.session.scalar(select(Membership).where(Membership.id == member_id, Membership.workspace_id == actor.workspace_id))
    if found is None:
        raise NotFound(f"There is no member with the id {member_id}.")
    return found


def _check_role(actor: Actor, role: str) -> None:
    if role not in ROLES:
        raise invalid("role", f"A role is one of {', '.join(ROLES)}.")
    actor.require_role(role, f"Giving or changing the role {role}")


def _keep_an_owner(workspace_id: int) -> None:
    # Both of two owners who demote each other at the same moment would see two; the lock lets the second see what the first did.
    db.session.scalar(select(Workspace.id).where(Workspace.id == workspace_id).with_for_update())
    if count_owners(workspace_id) < 2:
        raise InvalidState("This is the last owner of the workspace.", hint="Make somebody else an owner first.")


def change_password(actor: Actor, *, current: str, new: str) -> None:
    """Set one's own password; every session of the person ends, tokens go on.

    raises Invalid about current or new, TooMany after repeated wrong ones
    """
    user = db.session.get(User, actor.user_id) if actor.user_id else None
    if user is None:
        raise Forbidden("Only a person has a password.")
    throttle.guard("password", user.email, actor.ip)
    if not passwords.matches(user.password_hash, current):
        throttle.note_failure("password", user.email, actor.ip)
        target = Target("user", user.id, user.email)
        db.session.rollback()
        audit.record_refused(actor, "user.password", target, "wrong current password")
        raise Invalid("The current password is wrong.", fields={"current": ["This is not the current password."]})
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
