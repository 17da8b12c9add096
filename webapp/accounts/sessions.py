"""Signed-in browsers: the cookie holds a random value, the table its hash; a row that has ended ends the browser's session."""

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import select, update

from webapp.accounts.models import LoginSession, User
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
            expires_at=now + LIFE, ip=ip, user_agent=user_agent[:200],
        )
    )  # fmt: skip
    db.session.flush()
    return value


def find(value: str) -> tuple[LoginSession, User] | None:
    """The living session of a cookie value with its active user."""
    now = utcnow()
    row = db.session.execute(
        select(LoginSession, User)
        .join(User, User.id == LoginSession.user_id)
        .where(
            LoginSession.secret_hash == _hash(value), LoginSession.ended_at.is_(None), LoginSession.expires_at > now,
            LoginSession.last_seen_at > now - IDLE, User.status == "active",
        )
    ).first()  # fmt: skip
    return (row[0], row[1]) if row else None


def touch(session_id: int) -> None:
    """Note that the browser was seen; call it in a transaction of its own, at most once a minute."""
    db.session.execute(
        update(LoginSession).where(LoginSession.id == session_id).values(last_seen_at=utcnow()),
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


def switch_workspace(value: str, workspace_id: int) -> None:
    db.session.execute(
        update(LoginSession).where(LoginSession.secret_hash == _hash(value)).values(workspace_id=workspace_id),
        execution_options={"synchronize_session": False},
    )
