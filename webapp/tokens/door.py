"""Recognising a token: from its text to an actor, fast, within limits of kind, time and network.

Looked up by public id, compared in constant time, unknown ids compared with a dummy. A token that was found is remembered for half a
second per process: revocation, expiry, a lost role, and a person or workspace that is gone are effective within that time.
"""

import hmac
import logging
import time
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_network
from typing import Any

from flask import g
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from webapp.accounts.models import Membership, User, Workspace
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import live
from webapp.core.actor import Actor
from webapp.core.client import is_in
from webapp.core.db import db, fresh_session, reading, utcnow
from webapp.core.errors import Unauthenticated
from webapp.tokens import calls
from webapp.tokens import format as form
from webapp.tokens.models import ApiToken

log = logging.getLogger("mailroom.tokens")
REMEMBER_S = 0.5
USED_EVERY_S = 10.0
_DUMMY = form.digest("no token has this value")


@dataclass(frozen=True)
class Known:
    """What is remembered of a token between requests."""

    actor: Actor
    secret_hash: str
    expires_at: datetime | None
    revoked: bool
    networks: tuple[Any, ...]
    last_used: float
    seen: float


#: by the digest of the whole value
_known: dict[str, Known] = {}


def forget_all() -> None:
    """For tests, whose databases change under a living process."""
    _known.clear()
    calls.forget()


def authenticate(value: str, ip: str | None, client: str) -> Actor:
    """The actor of a token value.

    raises Unauthenticated: the same answer for unknown, revoked and expired ones, a refusal in the audit log for those that we know
    """
    digest = form.digest(value)
    known = _recent(digest) or _look_up(value, digest)
    actor = replace(known.actor, ip=ip, request_id=g.get("request_id") if g else None, used=set())
    if known.revoked:
        raise _refused(actor, "revoked")
    if known.expires_at is not None and known.expires_at <= utcnow():
        raise _refused(actor, "expired")
    if known.networks and not is_in(ip, known.networks):
        raise _refused(actor, "not allowed from this address")
    if time.time() - known.last_used > USED_EVERY_S:
        _note_use(digest, known, ip, client)
    return actor


def _refused(actor: Actor, why: str) -> Unauthenticated:
    if g:
        g.refused_token = actor
    db.session.rollback()
    audit.record_refused(actor, "token.use", Target("token", actor.token_id, actor.token_name or ""), why)
    return Unauthenticated(
        f"This token is {why}." if why != "not allowed from this address" else "This token is not allowed from this address."
    )


def _recent(digest: str) -> Known | None:
    """A token that was found within the last half second, by the digest of all of it."""
    found = _known.get(digest)
    return found if found is not None and time.monotonic() - found.seen < REMEMBER_S else None


def _look_up(value: str, digest: str) -> Known:
    """By its public part, and compared in constant time, with a dummy where there is none."""
    kind, well_formed = form.check(value)
    known = _load(form.public_id(value)) if kind and well_formed else None
    fits = hmac.compare_digest(known.secret_hash if known else _DUMMY, digest)
    if known is None or not fits:
        _known.pop(digest, None)
        raise Unauthenticated("This token is not valid.")
    if len(_known) > 10_000:
        _known.clear()
    _known[digest] = known
    return known


def _load(public_id: str) -> Known | None:
    """One query, on a connection of its own so that it takes no write lock."""
    query = (
        select(*ApiToken.__table__.c, Membership.role, Membership.suspended_at, User.status, Workspace.deleted_at)
        .join(User, User.id == ApiToken.user_id)
        .join(Workspace, Workspace.id == ApiToken.workspace_id)
        .outerjoin(Membership, (Membership.user_id == ApiToken.user_id) & (Membership.workspace_id == ApiToken.workspace_id))
        .where(ApiToken.public_id == public_id)
    )
    with reading(), db.engine.connect() as connection:
        row = connection.execute(query).first()
    if row is None:
        return None
    role: str | None = row.role
    actor = Actor(
        type="token", workspace_id=row.workspace_id, id=row.id, name=row.name, role=role or "viewer", scopes=frozenset(row.scopes),
        user_id=row.user_id, token_id=row.id, token_kind=row.kind, token_name=row.name, token_last_four=row.last_four,
        domain_ids=None if row.domain_ids is None else frozenset(row.domain_ids),
        mailbox_ids=_mailboxes(row.mailbox_id, row.mailbox_ids),
    )  # fmt: skip
    last_used = row.last_used_at.timestamp() if row.last_used_at else 0.0
    networks = tuple(ip_network(text) for text in row.allowed_ips or ())
    shut_out = role is None or row.suspended_at is not None or row.status != "active" or row.deleted_at is not None
    gone = row.revoked_at is not None or shut_out
    return Known(actor, row.secret_hash, row.expires_at, gone, networks, last_used, time.monotonic())


def _mailboxes(one: int | None, several: list[int] | None) -> frozenset[int] | None:
    """The limit to mailboxes; that of a message token is its one mailbox."""
    if one is not None:
        return frozenset([one])
    return None if several is None else frozenset(several)


def _note_use(digest: str, known: Known, ip: str | None, client: str) -> None:
    """Last use, at most every 10 s: the very first at once, since somebody may be looking at the page that waits for it, others with the
    next lines of the log."""  # fmt: skip
    token_id = known.actor.token_id or 0
    if known.last_used:
        calls.note_use(token_id, ip, client)
    else:
        try:
            with fresh_session():
                db.session.execute(
                    update(ApiToken).where(ApiToken.id == token_id).values(
                        last_used_at=utcnow(), last_used_ip=ip, last_used_client=client[:200], updated_at=ApiToken.updated_at
                    ),
                    execution_options={"synchronize_session": False},
                )  # fmt: skip
                live.notify(known.actor.workspace_id, "tokens-changed")
        except OperationalError as error:  # a full disk, say; who reads is let in all the same
            log.warning("the first use of token %s could not be noted: %s", token_id, error.orig)
            return
    _known[digest] = replace(known, last_used=time.time())
