"""Signed-in browsers: the cookie holds a random value, the table its hash; a row that has ended ends the browser's session."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update

from webapp.accounts.models import LoginSession, Membership, User, Workspace
from webapp.accounts.models_security import SecondFactor
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import NotFound

LIFE = timedelta(days=14)
IDLE = timedelta(days=7)


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def start(user: User, workspace_id: int, ip: str | None, user_agent: str) -> str:
    """A new session; returns the value for the cookie (a fresh one at every sign-in, so none can be planted)."""
    value = secrets.token_urlsafe(32)
    now = utcnow()
    db.session.add(
        LoginSession(
            user_id=user.id, workspace_id=workspace_id or None, secret_hash=_hash(value), created_at=now, last_seen_at=now,
            confirmed_at=now, expires_at=now + LIFE, ip=ip, user_agent=user_agent[:200],
        )
    )  # fmt: skip
    db.session.flush()
    return value


#: the living session of a hash with its active user and everything that this user is a member of, in one query made once
_FIND = (
    select(
        LoginSession.id, LoginSession.workspace_id, LoginSession.last_seen_at, User, LoginSession.confirmed_at, SecondFactor.user_id,
        Membership.id, Membership.workspace_id, Workspace.name, Membership.role, Workspace.second_factor_required,
    )
    .join(User, User.id == LoginSession.user_id)
    .outerjoin(SecondFactor, SecondFactor.user_id == LoginSession.user_id)
    .outerjoin(Membership, (Membership.user_id == User.id) & Membership.suspended_at.is_(None))
    .outerjoin(Workspace, Workspace.id == Membership.workspace_id)
    .where(
        LoginSession.secret_hash == bindparam("secret_hash"), LoginSession.ended_at.is_(None), LoginSession.expires_at > bindparam("now"),
        LoginSession.last_seen_at > bindparam("idle_since"), User.status == "active",
    )
    .order_by(Workspace.name)
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """One membership: its id, the workspace with its name, the role there, and whether the workspace demands a second factor."""

    id: int
    workspace_id: int
    name: str
    role: str
    demands_second_factor: bool = False


@dataclass(frozen=True)
class Found:
    """A signed-in browser: its session, its person, and what the person is a member of, by name of the workspace."""

    id: int
    workspace_id: int | None
    last_seen_at: datetime
    user: User
    confirmed_at: datetime | None
    has_second_factor: bool
    places: list[Place]

    def place(self) -> Place | None:
        """The workspace that the browser looks at, or else the one that the person joined first."""
        chosen = [place for place in self.places if place.workspace_id == self.workspace_id]
        return chosen[0] if chosen else min(self.places, key=lambda place: place.id, default=None)


def find(value: str) -> Found | None:
    """The living session of a cookie value with its active user."""
    now = utcnow()
    rows = db.session.execute(_FIND, {"secret_hash": _hash(value), "now": now, "idle_since": now - IDLE}).all()
    if not rows:
        return None
    session_id, workspace_id, last_seen_at, user, confirmed_at, factor = rows[0][:6]
    places = [Place(*row[6:]) for row in rows if row[6] is not None]
    return Found(session_id, workspace_id, last_seen_at, user, confirmed_at, factor is not None, places)


def touch(session_id: int) -> None:
    """Note that the browser was seen; call it in a transaction of its own, at most once a minute."""
    db.session.execute(
        update(LoginSession).where(LoginSession.id == session_id).values(last_seen_at=utcnow()),
        execution_options={"synchronize_session": False},
    )


def confirm(session_id: int) -> None:
    """Note that the person of the browser proved just now who they are."""
    db.session.execute(
        update(LoginSession).where(LoginSession.id == session_id).values(confirmed_at=utcnow()),
        execution_options={"synchronize_session": False},
    )


def end(value: str) -> None:
    db.session.execute(
        update(LoginSession).where(LoginSession.secret_hash == _hash(value), LoginSession.ended_at.is_(None)).values(ended_at=utcnow()),
        execution_options={"synchronize_session": False},
    )


def end_all(user_id: int) -> int:
    """End every session of a person, everywhere; returns how many there were."""
    result = db.session.execute(
        update(LoginSession).where(LoginSession.user_id == user_id, LoginSession.ended_at.is_(None)).values(ended_at=utcnow()),
        execution_options={"synchronize_session": False},
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def end_all_but(user_id: int, kept_id: int) -> int:
    """End every session of a person but one; returns how many there were."""
    result = db.session.execute(
        update(LoginSession)
        .where(LoginSession.user_id == user_id, LoginSession.id != kept_id, LoginSession.ended_at.is_(None))
        .values(ended_at=utcnow()),
        execution_options={"synchronize_session": False},
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def list_living(user_id: int) -> list[LoginSession]:
    """The signed-in browsers of a person, last seen first."""
    now = utcnow()
    query = select(LoginSession).where(
        LoginSession.user_id == user_id,
        LoginSession.ended_at.is_(None),
        LoginSession.expires_at > now,
        LoginSession.last_seen_at > now - IDLE,
    )
    return list(db.session.scalars(query.order_by(LoginSession.last_seen_at.desc()).limit(100)))


def end_one(actor: Actor, session_id: int) -> None:
    """Sign one of one's own browsers out. raises NotFound for those of others"""
    row = db.session.scalar(select(LoginSession).where(LoginSession.id == session_id, LoginSession.user_id == actor.user_id))
    if row is None:
        raise NotFound(f"There is no session with the id {session_id}.")
    if row.ended_at is None:
        row.ended_at = utcnow()
        audit.record(actor, "session.end", Target("session", row.id, actor.name))


def end_others(actor: Actor, kept_id: int) -> int:
    """Sign every other browser of one's own out; returns how many there were."""
    ended = end_all_but(actor.user_id or 0, kept_id)
    if ended:
        audit.record(actor, "session.end", Target("user", actor.user_id, actor.name), after={"others": ended})
    return ended


def switch_workspace(value: str, workspace_id: int) -> None:
    db.session.execute(
        update(LoginSession).where(LoginSession.secret_hash == _hash(value)).values(workspace_id=workspace_id),
        execution_options={"synchronize_session": False},
    )
