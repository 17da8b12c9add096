"""The people behind live streams: whether session, person and role are still what they were when the page began to listen."""

from collections.abc import Collection
from typing import NamedTuple

from flask_login import current_user
from sqlalchemy import select

from webapp.accounts.models import LoginSession, Membership, User
from webapp.accounts.sessions import IDLE
from webapp.core.access import current_actor
from webapp.core.db import db, utcnow


class Ticket(NamedTuple):
    """A session, the workspace that its page shows (0: none), and the person's role there."""

    session_id: int
    workspace_id: int
    role: str


def ticket() -> Ticket:
    """Of the signed-in person of this request."""
    actor = current_actor()
    return Ticket(current_user.found.id, actor.workspace_id, actor.role)


def still_valid(tickets: Collection[Ticket]) -> set[Ticket]:
    """Those whose session lives, whose person is active, and who still have the same role; one query for all."""
    now = utcnow()
    living = (
        select(LoginSession.id, Membership.workspace_id, Membership.role)
        .join(User, User.id == LoginSession.user_id)
        .outerjoin(Membership, Membership.user_id == User.id)
        .where(
            LoginSession.id.in_({one.session_id for one in tickets}),
            LoginSession.ended_at.is_(None), LoginSession.expires_at > now, LoginSession.last_seen_at > now - IDLE,
            User.status == "active",
        )
    )  # fmt: skip
    rows = list(db.session.execute(living))
    held = {Ticket(row.id, row.workspace_id, row.role) for row in rows if row.workspace_id is not None}
    alive = {row.id for row in rows}
    return {one for one in tickets if one in held or (one.workspace_id == 0 and one.session_id in alive)}
