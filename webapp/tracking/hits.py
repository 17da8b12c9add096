"""Opens and clicks between their request and the database: a request leaves a line in the memory of its process and is answered at once.

    note(hit)        from the request
    flush(app)       at most a second later, on a thread of its own: `counting.count`, so many lines a transaction

A blast brings thousands of opens a second; a commit for each would be the end of a small machine. What is promised: a process that is
killed loses the opens and clicks of its last EVERY_S + SETTLE_S seconds and nothing else, one that is asked to end loses none, and a
database that is busy loses none as long as no more than MOST wait. Unsubscribing does not come this way: it commits before its answer.

Clicks wait SETTLE_S longer, so that those of a scanner, which follows every link within a second, are looked at together.
"""

import atexit
import logging
import threading
import time
from typing import NamedTuple

from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError

from webapp.core.db import db, writing
from webapp.tokens import calls
from webapp.tracking import bursts, counting
from webapp.tracking.counting import Hit

__all__ = ["Hit", "count_waiting", "flush", "forget", "note"]
log = logging.getLogger("mailroom.tracking")
#: seconds until lines are written, how much longer clicks wait, and lines in one transaction
EVERY_S, SETTLE_S, BATCH = 1.0, 1.5, 1000
#: lines that wait at most; opens beyond are counted and dropped, clicks beyond MOST_CLICKS
MOST, MOST_CLICKS = 50_000, 60_000
#: how often a batch is tried that the database refuses for a reason that does not pass
TRIES = 5


class _Line(NamedTuple):
    due: float
    hit: Hit


_lock = threading.Lock()
_flushing = threading.Lock()
_waiting: list[_Line] = []
_timer: threading.Timer | None = None
_dropped = _failed = 0


def note(hit: Hit) -> None:
    """Keep a line until the next flush."""
    global _dropped
    settle = SETTLE_S if hit.link else 0.0
    with _lock:
        if len(_waiting) >= (MOST_CLICKS if hit.link else MOST):
            _dropped += 1
            return
        _waiting.append(_Line(time.monotonic() + settle, hit))
        _arm(EVERY_S)


def _arm(seconds: float) -> None:
    """Have what waits be written soon. The setting of the tokens' log switches this thread off too, for tests."""
    global _timer
    if _timer is None and current_app.config.get(calls.SETTING, EVERY_S):
        _timer = threading.Timer(seconds, _flush_later, [current_app._get_current_object()])  # type: ignore[attr-defined]
        _timer.daemon = True
        _timer.start()


def _flush_later(app: Flask) -> None:
    flush(app)
    with _lock:
        if _waiting:
            with app.app_context():
                _arm(EVERY_S)


def forget() -> None:
    """Drop what waits; for tests, whose databases change under a living process."""
    global _dropped, _failed
    with _lock:
        _waiting.clear()
        _dropped = _failed = 0


def count_waiting() -> int:
    """Lines of this process that are not written yet."""
    with _lock:
        return len(_waiting)


def flush(app: Flask, *, everything: bool = False) -> int:
    """Write what is due, or `everything`; returns how many lines. What the database refuses waits for the next time."""
    global _timer, _dropped
    written = 0
    with _flushing:
        with _lock:
            _timer = None
            now = time.monotonic()
            taken = [line for line in _waiting if everything or line.due <= now]
            _waiting[:] = [line for line in _waiting if not everything and line.due > now]
            dropped, _dropped = _dropped, 0
        if dropped:
            log.warning("%s opens and clicks were dropped: more than %s waited for the database", dropped, MOST)
        for start in range(0, len(taken), BATCH):
            batch = taken[start : start + BATCH]
            if not _write(app, [line.hit for line in batch]):
                _keep(taken[start:], len(batch))
                break
            written += len(batch)
    return written


def _write(app: Flask, batch: list[Hit]) -> bool:
    """One transaction; whether it was committed."""
    global _failed
    with app.app_context(), writing():
        try:
            counting.count(batch, bursts.recent(batch))
            db.session.commit()
        except SQLAlchemyError as error:
            log.warning("%s opens and clicks wait for the database: %s", len(batch), error.__class__.__name__)
            _failed += 1
            return False
        finally:
            db.session.rollback()
            db.session.remove()
    _failed = 0
    return True


def _keep(lines: list[_Line], first: int) -> None:
    """Put lines back, before those that came since; without the first batch when it failed TRIES times, so that nothing waits for it."""
    global _failed
    if _failed >= TRIES:
        log.error("%s opens and clicks were given up after %s tries", first, TRIES)
        lines, _failed = lines[first:], 0
    with _lock:
        _waiting[:0] = lines


@atexit.register
def _before_the_end() -> None:
    """A process that is asked to end writes what it still has."""
    timer = _timer
    if timer is not None:
        timer.cancel()
        (app,) = timer.args
        flush(app, everything=True)
