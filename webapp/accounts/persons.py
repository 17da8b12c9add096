"""Who is who: addresses, users, and who has a place in which workspace. What the other modules here look up stands once, here."""

from sqlalchemy import select

from webapp.accounts import passwords
from webapp.accounts.models import Membership, User, Workspace
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Invalid, NotFound, invalid
from webapp.core.scopes import ROLES
from webapp.mail.address import BadAddress, normalise


def check_email(text: str, field: str = "email") -> str:
    """A normalised address. raises Invalid about `field`"""
    try:
        return normalise(text.strip())
    except BadAddress as error:
        raise invalid(field, str(error)) from None


def check_title(text: str, field: str = "name") -> str:
    """The name of a workspace on one line. raises Invalid about `field`"""
    title = " ".join(text.split())
    if not 1 <= len(title) <= 80:
        raise invalid(field, "A workspace has a name of 1 to 80 characters.")
    return title


def check_role(actor: Actor, role: str) -> None:
    """raises Invalid for an unknown role, Forbidden for one above the actor's own"""
    if role not in ROLES:
        raise invalid("role", f"A role is one of {', '.join(ROLES)}.")
    actor.require_role(role, f"Giving or changing the role {role}")


def has_owner() -> bool:
    """Whether the installation has been set up."""
    return db.session.scalar(select(Membership.id).where(Membership.role == "owner").limit(1)) is not None


def find_user(address: str) -> User | None:
    return db.session.scalar(select(User).where(User.email == address))


def new_user(address: str, name: str, password: str) -> User:
    """raises Invalid when the address is taken"""
    if find_user(address) is not None:
        raise taken(address)
    user = User(
        email=address, name=" ".join(name.split())[:120], password_hash=passwords.hash_password(password), password_changed_at=utcnow()
    )
    db.session.add(user)
    db.session.flush()
    return user


def taken(address: str) -> Invalid:
    return invalid("email", f"{address} has an account already; sign in with it.")


def actor_for(user: User, workspace_id: int, role: str, ip: str | None = None, request_id: str | None = None) -> Actor:
    """A person at a page: all scopes, limited by the role."""
    return Actor(
        type="user", workspace_id=workspace_id, id=user.id, user_id=user.id, name=user.email, role=role, scopes=frozenset({"*"}),
        ip=ip, request_id=request_id,
    )  # fmt: skip


def default_workspace(user_id: int) -> int:
    """The first workspace that is open to a user; 0 when there is none."""
    mine = select(Membership.workspace_id).where(Membership.user_id == user_id, Membership.suspended_at.is_(None))
    return db.session.scalar(mine.order_by(Membership.id).limit(1)) or 0


def find_membership(user_id: int, workspace_id: int) -> Membership | None:
    """The place of a user in a workspace, suspended or not."""
    return db.session.scalar(select(Membership).where(Membership.user_id == user_id, Membership.workspace_id == workspace_id))


def find_place(user_id: int, workspace_id: int) -> Membership | None:
    """The same, if the workspace is open to them."""
    found = find_membership(user_id, workspace_id)
    return found if found is not None and found.suspended_at is None else None


def list_workspaces(user_id: int) -> list[Membership]:
    """The places of a user that are open, with their workspaces, by name."""
    query = select(Membership).join(Workspace, Workspace.id == Membership.workspace_id)
    mine = query.where(Membership.user_id == user_id, Membership.suspended_at.is_(None))
    return list(db.session.scalars(mine.order_by(Workspace.name, Workspace.id)))


def get_workspace(actor: Actor) -> Workspace:
    found = db.session.get(Workspace, actor.workspace_id)
    if found is None or found.deleted_at is not None:
        raise NotFound("There is no such workspace.")
    return found
