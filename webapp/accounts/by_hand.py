"""What the operator does to a person at the command line. It is told in the log of each of their workspaces, where owners read it."""

from sqlalchemy import select

from webapp.accounts import second_factor, sessions
from webapp.accounts.members import keep_an_owner
from webapp.accounts.models import Membership, User
from webapp.accounts.persons import check_email, find_user
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import NotFound


def get_user(email: str) -> User:
    """raises NotFound, Invalid when it is no address"""
    user = find_user(check_email(email))
    if user is None:
        raise NotFound(f"There is no user {email}.")
    return user


def tell(user: User, action: str) -> None:
    """An entry in the log of each workspace of a person; in the installation's own where there is none."""
    places = db.session.scalars(select(Membership.workspace_id).where(Membership.user_id == user.id).order_by(Membership.workspace_id))
    for workspace_id in list(places) or [0]:
        audit.record(Actor.system(workspace_id, "command line"), action, Target("user", user.id, user.email))


def suspend_user(email: str) -> User:
    """`app.py user suspend`: no sign-in, no token, in any workspace. Repeating it changes nothing.

    raises NotFound; InvalidState when a workspace would be left without an owner
    """
    user = get_user(email)
    if user.status == "active":
        owned = select(Membership.workspace_id).where(Membership.user_id == user.id, Membership.role == "owner")
        for workspace_id in db.session.scalars(owned.order_by(Membership.workspace_id)):
            keep_an_owner(workspace_id, user.id)
        user.status = "suspended"
        sessions.end_all(user.id)
        tell(user, "user.suspend")
    return user


def resume_user(email: str) -> User:
    """`app.py user resume`: the person may sign in again. Repeating it changes nothing. raises NotFound"""
    user = get_user(email)
    if user.status != "active":
        user.status = "active"
        tell(user, "user.resume")
    return user


def remove_second_factor(email: str) -> User:
    """`app.py user reset --second-factor`: for somebody who lost phone and recovery codes; every browser of theirs is signed out.

    raises NotFound, InvalidState when it is off
    """
    user = get_user(email)
    second_factor.forget(user.id)
    sessions.end_all(user.id)
    tell(user, "second_factor.disable")
    return user
