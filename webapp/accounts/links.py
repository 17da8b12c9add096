"""Links that work once: the set-up page of a new installation, a password reset by mail or from the command line."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import delete, select, update

from webapp.accounts import by_hand, passwords, service, throttle
from webapp.accounts.models import Membership, OneTimeLink, User, Workspace
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import events
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import NotFound, invalid
from webapp.core.scopes import ROLES
from webapp.settings import Settings

LIFE = {"setup": timedelta(days=7), "reset": timedelta(hours=1)}


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def make(purpose: str, user_id: int | None = None, *, keep_older: bool = False) -> str:
    """A new link value. An older one for the same purpose and person stops working, unless anybody may ask for links (`keep_older`):
    else a stranger could end the link that the operator gave."""  # fmt: skip
    if not keep_older:
        _drop(purpose, user_id)
    value = secrets.token_urlsafe(24)
    now = utcnow()
    db.session.add(OneTimeLink(purpose=purpose, user_id=user_id, secret_hash=_hash(value), created_at=now, expires_at=now + LIFE[purpose]))
    db.session.flush()
    return value


def _drop(purpose: str, user_id: int | None) -> None:
    theirs = OneTimeLink.user_id.is_(None) if user_id is None else OneTimeLink.user_id == user_id
    db.session.execute(delete(OneTimeLink).where(OneTimeLink.purpose == purpose, OneTimeLink.used_at.is_(None), theirs))


def forget_old() -> None:
    """Links that ended more than a day ago."""
    db.session.execute(delete(OneTimeLink).where(OneTimeLink.expires_at < utcnow() - timedelta(days=1)))


def find(purpose: str, value: str) -> OneTimeLink | None:
    """The link when it is valid and unused."""
    return db.session.scalar(
        select(OneTimeLink).where(
            OneTimeLink.purpose == purpose,
            OneTimeLink.secret_hash == _hash(value),
            OneTimeLink.used_at.is_(None),
            OneTimeLink.expires_at > utcnow(),
        )
    )


def use(link: OneTimeLink) -> None:
    """Use a link up. raises NotFound when somebody else used it at the same moment"""
    used = update(OneTimeLink).where(OneTimeLink.id == link.id, OneTimeLink.used_at.is_(None)).values(used_at=utcnow())
    result: Any = db.session.execute(used, execution_options={"synchronize_session": False})
    if result.rowcount != 1:
        raise NotFound("This link was used already.", hint="Sign in, or ask the operator for a new link.")


def setup_url(app: Flask) -> str | None:
    """The address of the one-time set-up page, freshly made, or None once there is an owner. Commits."""
    settings: Settings = app.config["SETTINGS"]
    with app.app_context():
        if service.has_owner():
            return None
        value = make("setup")
        db.session.commit()
    return f"{settings.public_url.rstrip('/')}/setup?key={value}"


def make_first_owner(app: Flask) -> bool:
    """Create the owner that MAILROOM_ADMIN_EMAIL and MAILROOM_ADMIN_PASSWORD name, unless there is an owner. Commits."""
    settings: Settings = app.config["SETTINGS"]
    if not settings.admin_email or not settings.admin_password:
        return False
    with app.app_context():
        if service.has_owner():
            return False
        service.set_up(name="", email=settings.admin_email, password=settings.admin_password, workspace="Main", ip=None, request_id=None)
        db.session.commit()
        return True


def create_user_by_cli(email: str, password: str, workspace: str | None, role: str = "owner") -> tuple[User, Workspace]:
    """`app.py user create`: makes user, membership and, when its name is new, the workspace.

    raises Invalid for a bad or taken address, password or role
    """
    address = service.check_email(email)
    passwords.check(password, about=address)
    if role not in ROLES:
        raise invalid("role", f"A role is one of {', '.join(ROLES)}.")
    living = select(Workspace).where(Workspace.deleted_at.is_(None)).order_by(Workspace.id).limit(1)
    found = db.session.scalar(living.where(Workspace.name == workspace) if workspace else living)
    user = db.session.scalar(select(User).where(User.email == address))
    if user is not None and found is not None and service.find_membership(user.id, found.id):
        raise invalid("email", f"{address} is a member already.")
    if user is None:
        user = service.new_user(address, "", password)
    made = found is None
    if found is None:
        found = Workspace(name=workspace or "Main", settings={})
        db.session.add(found)
        db.session.flush()
    db.session.add(Membership(workspace_id=found.id, user_id=user.id, role=role))
    db.session.flush()
    if made:
        events.send("workspace_created", workspace_id=found.id)
    actor = Actor.system(found.id, "command line")
    audit.record(
        actor, "user.create", Target("user", user.id, user.email), after={"email": user.email, "role": role, "workspace": found.name}
    )
    return user, found


def reset_link(email: str, public_url: str) -> str:
    """`app.py user reset`: a link with which the person sets a new password. Audited in each of their workspaces. raises NotFound"""
    user = db.session.scalar(select(User).where(User.email == service.check_email(email)))
    if user is None:
        raise NotFound(f"There is no user {email}.")
    value = make("reset", user.id)
    by_hand.tell(user, "user.reset")
    return f"{public_url.rstrip('/')}/reset?key={value}"


def reset_password(value: str, password: str, ip: str | None, request_id: str | None) -> User:
    """Use a reset link. raises NotFound for a stale link, Invalid about the password"""
    link = find("reset", value)
    user = db.session.get(User, link.user_id) if link is not None else None
    if link is None or user is None:
        raise NotFound("This link was used already or is older than an hour.", hint="Ask for a new one on the sign-in page.")
    use(link)
    actor = Actor(type="user", workspace_id=0, id=user.id, user_id=user.id, name=user.email, ip=ip, request_id=request_id)
    service.set_password(actor, user, password)
    _drop("reset", user.id)
    throttle.note_success("sign_in", user.email, ip)
    return user
