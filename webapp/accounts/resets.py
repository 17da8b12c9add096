"""A forgotten password: the sign-in page takes an address, a job looks whether it has an account and mails the link.

    ask ─> reset_requests ─(answer: always the same)─> job: no account: audited, nothing else | account: one-time link by mail

So the answer has the same words and takes the same time for every address (RELIABILITY C-65). While mail is captured nobody could read
the link, and the page names the command instead.
"""

import time
from typing import Any

from sqlalchemy import delete, select

from webapp.accounts import letters, links, throttle
from webapp.accounts.models import ResetRequest, User
from webapp.accounts.persons import check_email, find_user
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import queue
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import TooMany

DRAIN = "accounts.resets"
DOOR = "reset"
BATCH = 20


def ask(*, email: str, ip: str | None, request_id: str | None) -> None:
    """Note that somebody wants a link. Five requests for one address or twenty from one machine in 15 minutes, known or not.

    raises Invalid when it is no address at all, TooMany
    """
    address = check_email(email)
    try:
        throttle.take(DOOR, address, ip)
    except TooMany as closed:
        minutes = -(-(closed.retry_after_s or 60) // 60)
        text = f"Links were asked for too often. Try again in {minutes} minute{'s' if minutes > 1 else ''}."
        raise TooMany(text, retry_after_s=closed.retry_after_s) from None
    db.session.add(ResetRequest(email=address, asked_at=utcnow(), ip=ip, request_id=request_id))
    db.session.flush()
    queue.ring(DRAIN)


def has_due() -> bool:
    return db.session.scalar(select(ResetRequest.id).limit(1)) is not None


def work(until: float) -> bool:
    """Answer the requests, each in a transaction of its own; True when none was left."""
    while time.monotonic() < until:
        ids = list(db.session.scalars(select(ResetRequest.id).order_by(ResetRequest.id).limit(BATCH)))
        db.session.rollback()
        if not ids:
            return True
        for request_id in ids:
            answer(request_id)
            db.session.commit()
    return False


def answer(row_id: int) -> None:
    """Take one request out of the table and do what it asks; whoever takes it out second finds nothing to do."""
    taken: Any = db.session.execute(
        delete(ResetRequest)
        .where(ResetRequest.id == row_id)
        .returning(ResetRequest.email, ResetRequest.ip, ResetRequest.request_id)
        .execution_options(synchronize_session=False)
    ).first()
    if taken is None:
        return
    user = find_user(taken.email)
    user_id = user.id if user else None
    actor = Actor(type="user", workspace_id=0, id=user_id, user_id=user_id, name=taken.email, ip=taken.ip, request_id=taken.request_id)
    if user is None or user.status != "active":
        reason = "the address has no account" if user is None else "the account is suspended"
        audit.record(actor, "user.reset", Target("user", user_id, taken.email), result="refused", reason=reason)
        return
    _mail_link(actor, user)


def _mail_link(actor: Actor, user: User) -> None:
    value = links.make("reset", user.id, keep_older=True)
    letters.send(
        "reset", user.email, workspace_id=None, request_id=actor.request_id, url=letters.link("/reset", value),
        email=user.email, minutes=int(links.LIFE["reset"].total_seconds() // 60), ip=actor.ip,
    )  # fmt: skip
    audit.record(actor, "user.reset", Target("user", user.id, user.email))
