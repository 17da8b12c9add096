"""Proving once more who sits there before a step that matters: password, or a code of the second factor (UX rule 5).

A browser that was left open, or whose cookie was stolen, can look around but hands out no secrets. The proof counts for 15 minutes.
"""

from datetime import datetime, timedelta

from webapp.accounts import passwords, second_factor, sessions, throttle
from webapp.accounts.models import User
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Forbidden, invalid

DOOR = "confirm"
LIFE = timedelta(minutes=15)


def is_fresh(confirmed_at: datetime | None) -> bool:
    return confirmed_at is not None and utcnow() - confirmed_at < LIFE


def confirm(actor: Actor, session_id: int, *, password: str, code: str) -> None:
    """Take the proof and note it on the session; a code counts when the second factor is on and works once.

    raises TooMany (throttled like sign-in), Invalid about password or code; failures are audited
    """
    user = db.session.get(User, actor.user_id) if actor.type == "user" and actor.user_id else None
    if user is None:
        raise Forbidden("Only a person at a page can confirm who they are.")
    throttle.take(DOOR, user.email, actor.ip)
    fits = second_factor.use_app_code(user.id, code) if code.strip() else passwords.matches(user.password_hash, password)
    target = Target("user", user.id, user.email)
    if not fits:
        db.session.rollback()
        audit.record_refused(actor, "session.confirm", target, "wrong one-time code" if code.strip() else "wrong password")
        if code.strip():
            raise invalid("code", second_factor.WRONG_CODE)
        raise invalid("password", "This is not your password.")
    throttle.give_back(DOOR, user.email, actor.ip)
    sessions.confirm(session_id)
    audit.record(actor, "session.confirm", target)
