"""Each token's own log: what it asked for, written in batches so that no request waits for a commit of it.

    note(Call(…))      from the request: a line into the memory of this process
    flush(app)         at most a second later, on a thread of its own: all lines in one transaction, with last uses and used scopes

A process that is killed loses the lines of its last second, never a request. Refusals that repeat (a limit, a token that has ended)
become one line with a number, so that a program in a loop does not fill the table.
"""

import atexit
import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask, current_app
from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from webapp.core.db import db, is_sqlite, utcnow, writing
from webapp.tokens.models import ApiToken, TokenCall, TokenScopeUse

log = logging.getLogger("mailroom.tokens")
KEPT = timedelta(days=30)
#: seconds until lines are written; the configuration key changes it, and 0 leaves it to whoever calls `flush`
EVERY_S, SETTING = 1.0, "TOKEN_LOG_EVERY_S"
#: lines that wait at most; what comes on top is counted and dropped
MOST = 20_000
#: answers of which equal ones within a second are one line
REPEATED = frozenset({401, 403, 429})
USES_AGAIN_S = 3600.0
PURGED_AT_ONCE = 5000


@dataclass(slots=True)
class Call:
    """One line. `scopes` are those that it made use of."""

    token_id: int
    at_us: int
    method: str
    path: str
    status: int
    ms: int
    ip: str | None
    client: str | None
    request_id: str | None
    scopes: tuple[str, ...]
    times: int = 1


@dataclass
class Waiting:
    """What this process has not written yet."""

    calls: list[Call] = field(default_factory=list)
    repeated: dict[tuple[Any, ...], Call] = field(default_factory=dict)
    #: token -> (when, from where, with what)
    last_uses: dict[int, tuple[datetime, str | None, str]] = field(default_factory=dict)
    dropped: int = 0


_lock = threading.Lock()
_flushing = threading.Lock()
_waiting = Waiting()
_timer: threading.Timer | None = None
#: (token, scope) -> when its use was written last, on the monotonic clock
_written: dict[tuple[int, str], float] = {}


def note(call: Call) -> None:
    """Keep a line until the next flush."""
    with _lock:
        if call.status in REPEATED:
            key = (call.token_id, call.method, call.path, call.status, call.ip)
            first = _waiting.repeated.get(key)
            if first is not None:
                first.times += 1
                return
            _waiting.repeated[key] = call
        if len(_waiting.calls) >= MOST:
            _waiting.dropped += 1
            return
        _waiting.calls.append(call)
        _arm()


def note_use(token_id: int, ip: str | None, client: str) -> None:
    """The last use of a token, to be written with the next flush."""
    with _lock:
        _waiting.last_uses[token_id] = (utcnow(), ip, client[:200])
        _arm()


def _arm() -> None:
    """Have what waits be written soon. A timer only while something waits, so that an idle process has no thread and a fork copies none."""
    global _timer
    if _timer is None and (seconds := current_app.config.get(SETTING, EVERY_S)):
        _timer = threading.Timer(seconds, _flush_later, [current_app._get_current_object()])  # type: ignore[attr-defined]
        _timer.daemon = True
        _timer.start()


def _flush_later(app: Flask) -> None:
    try:
        flush(app)
    except SQLAlchemyError as error:  # a log line is worth no retry: the requests themselves went through
        log.warning("lines of the tokens' logs could not be written: %s", error.__class__.__name__)


def forget() -> None:
    """Drop what waits; for tests, whose databases change under a living process."""
    global _waiting
    with _lock:
        _waiting = Waiting()
        _written.clear()


def flush(app: Flask) -> int:
    """Write what waits in a transaction of its own; returns how many lines. raises SQLAlchemyError, and what waited is lost then"""
    global _waiting, _timer
    with _flushing:
        with _lock:
            taken, _waiting, _timer = _waiting, Waiting(), None
        if taken.dropped:
            log.warning("%s lines of the tokens' logs were dropped: more than %s within a second", taken.dropped, MOST)
        if not taken.calls and not taken.last_uses:
            return 0
        with app.app_context(), writing():
            try:
                _write(taken)
                db.session.commit()
            finally:
                db.session.rollback()
    return len(taken.calls)


def _write(taken: Waiting) -> None:
    if taken.calls:
        names = Call.__slots__
        db.session.execute(insert(TokenCall), [{name: _plain(getattr(call, name)) for name in names} for call in taken.calls])
    for token_id, (at, ip, client) in sorted(taken.last_uses.items()):
        db.session.execute(
            update(ApiToken).where(ApiToken.id == token_id).values(
                last_used_at=at, last_used_ip=ip, last_used_client=client, updated_at=ApiToken.updated_at
            ),
            execution_options={"synchronize_session": False},
        )  # fmt: skip
    _write_uses(taken.calls)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _write_uses(calls: list[Call]) -> None:
    """Which scopes the tokens used: each at most once an hour and process."""
    now, moment = time.monotonic(), utcnow()
    fresh = {(call.token_id, scope) for call in calls for scope in call.scopes}
    due = sorted(key for key in fresh if now - _written.get(key, -USES_AGAIN_S) >= USES_AGAIN_S)
    living = set(db.session.scalars(select(ApiToken.id).where(ApiToken.id.in_({token_id for token_id, _ in due})))) if due else set()
    kept = [key for key in due if key[0] in living]
    rows = [{"token_id": token_id, "scope": scope, "first_at": moment, "last_at": moment} for token_id, scope in kept]
    if not rows:
        return
    query: Any = (sqlite if is_sqlite() else postgresql).insert(TokenScopeUse)
    query = query.on_conflict_do_update(index_elements=["token_id", "scope"], set_={"last_at": query.excluded.last_at})
    db.session.execute(query, rows)
    if len(_written) > MOST:
        _written.clear()
    _written.update(dict.fromkeys(kept, now))


def forget_old() -> int:
    """Remove lines older than 30 days, the oldest first, until none is left; returns how many went. Commits batch by batch."""
    gone = 0
    while True:
        oldest = list(db.session.execute(select(TokenCall.id, TokenCall.at_us).order_by(TokenCall.id).limit(PURGED_AT_ONCE)))
        cutoff = microseconds(utcnow() - KEPT)
        ids = [row.id for row in oldest if row.at_us < cutoff]
        if not ids:
            db.session.rollback()
            return gone
        db.session.execute(delete(TokenCall).where(TokenCall.id.in_(ids)), execution_options={"synchronize_session": False})
        db.session.commit()
        gone += len(ids)


def microseconds(moment: datetime) -> int:
    """Of the epoch; as lines keep their time."""
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def count_waiting() -> int:
    """Lines of this process that are not written yet."""
    with _lock:
        return len(_waiting.calls)


@atexit.register
def _before_the_end() -> None:
    """A process that is asked to end writes what it still has."""
    timer = _timer
    if timer is not None:
        timer.cancel()
        timer.function(*timer.args)
