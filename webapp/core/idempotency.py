"""`Idempotency-Key`: same key and body, same answer; other body 409; one effect under any number of parallel equal requests.

The stored answer is a row of the same transaction as the effect. Parallel equals meet at a lock that ends with its connection:
the write lock of SQLite, an advisory transaction lock on PostgreSQL. A request that died leaves neither row nor lock.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Any

import orjson
from flask import Response, g, request
from sqlalchemy import LargeBinary, UniqueConstraint, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core import envelope
from webapp.core.actor import Actor
from webapp.core.db import Base, db, fresh_session, is_sqlite, utcnow
from webapp.core.errors import Conflict, HouseError, Invalid, invalid

KEPT = timedelta(hours=24)
WARNING = "This is a stored answer; secrets that are shown once are masked in it."


class IdempotencyKey(Base):
    """One stored answer."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (UniqueConstraint("token_id", "fingerprint"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    #: the token that asked
    token_id: Mapped[int]
    #: SHA-256 of method, path without trailing slash, and key
    fingerprint: Mapped[str]
    #: SHA-256 of query string and body
    body_hash: Mapped[str]
    #: status and JSON body as answered, one-time secrets masked
    status: Mapped[int]
    answer: Mapped[bytes] = mapped_column(LargeBinary)
    #: when it was answered; kept for 24 hours
    created_at: Mapped[datetime] = mapped_column(index=True)


class Claim:
    """The key of the request at hand."""

    def __init__(self, token_id: int, fingerprint: str, body_hash: str) -> None:
        self.token_id, self.fingerprint, self.body_hash = token_id, fingerprint, body_hash

    def store(self, response: Response) -> None:
        db.session.add(
            IdempotencyKey(
                token_id=self.token_id, fingerprint=self.fingerprint, body_hash=self.body_hash,
                status=response.status_code, answer=_masked(response.get_data()), created_at=utcnow(),
            )
        )  # fmt: skip
        db.session.flush()


def begin(actor: Actor, required: bool, *, whole: bool = True) -> Response | None:
    """Look at the request's key: None to go on, or the stored answer to replay.

    whole   the body is compared as well; not that of an upload that no memory should hold

    raises Invalid (missing though required, too long), Conflict (other body, or an equal request is still running)
    """
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        if required and actor.token_kind in ("ops", "message"):
            text, hint = "This request needs the header Idempotency-Key.", "Send any unique text, for example a UUID."
            raise Invalid(text, code="missing_idempotency_key", hint=hint)
        return None
    if len(key) > 512:
        raise invalid("Idempotency-Key", "At most 512 characters.")
    path = request.path.rstrip("/")
    fingerprint = hashlib.sha256(f"{request.method}\n{path}\n{key}".encode()).hexdigest()
    sent = request.get_data(cache=True) if whole else b""
    body_hash = hashlib.sha256(request.query_string + b"\n" + sent).hexdigest()
    claim = Claim(actor.token_id or 0, fingerprint, body_hash)
    if not is_sqlite():
        lock = int.from_bytes(hashlib.sha256(f"{claim.token_id}{fingerprint}".encode()).digest()[:8], "big", signed=True)
        if not db.session.scalar(select(func.pg_try_advisory_xact_lock(lock))):
            text = "An equal request with this key is still running."
            error = Conflict(text, code="idempotency_in_progress", hint="Send it again in a second.")
            error.retryable = True
            raise error
    stored = db.session.scalar(
        select(IdempotencyKey).where(IdempotencyKey.token_id == claim.token_id, IdempotencyKey.fingerprint == fingerprint)
    )
    if stored is not None and stored.created_at < utcnow() - KEPT:
        db.session.delete(stored)
        db.session.flush()
        stored = None
    if stored is None:
        g.idempotency_claim = claim
        return None
    if stored.body_hash != body_hash:
        raise Conflict("This key was used with another body.", code="idempotency_mismatch", hint="Use a new key for a new request.")
    return envelope_replay(stored)


def envelope_replay(stored: IdempotencyKey) -> Response:
    response = Response(stored.answer, status=stored.status, mimetype=envelope.JSON_TYPE)
    response.headers["X-Idempotency-Replayed"] = "true"
    return response


def finish(response: Response) -> None:
    """Keep the answer of a view that succeeded, in its own transaction."""
    claim: Claim | None = g.pop("idempotency_claim", None)
    if claim is not None and response.status_code < 400:
        claim.store(response)


def keep_refusal(error: HouseError) -> None:
    """After the roll-back of a refused request: a 4xx is an answer too (429 is not)."""
    claim: Claim | None = g.pop("idempotency_claim", None)
    if claim is not None and 400 <= error.status < 500 and error.status != 429 and not error.retryable:
        response = envelope.error_response(error)  # before the other session: its context has no request id
        with fresh_session():
            claim.store(response)


def one_time(*names: str) -> None:
    """Name the fields of this answer's data that are shown once, so that a replay masks them; `rows.field` is in each row of a list."""
    g.one_time_fields = names


def _masked(body: bytes) -> bytes:
    names: tuple[str, ...] = g.get("one_time_fields", ())
    if not names:
        return body
    content: dict[str, Any] = orjson.loads(body)
    for holder in (content, content.get("data")):
        if isinstance(holder, dict):
            holder.update({name: "<redacted>" for name in names if holder.get(name)})
            for rows, _, name in (path.partition(".") for path in names if "." in path):
                for row in holder.get(rows) or []:
                    if row.get(name):
                        row[name] = "<redacted>"
    content["_idempotency_replay_warning"] = WARNING
    return orjson.dumps(content)


def forget_old() -> int:
    """Drop answers older than 24 hours; returns how many went."""
    result: Any = db.session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < utcnow() - KEPT))
    return int(result.rowcount)
