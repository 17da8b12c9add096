"""Clocks that are set back (RELIABILITY C-29): what waits for a time that now lies far ahead is brought forward.

A row that was written while the clock was ahead says "in an hour" as a time of the day after tomorrow once the clock is right again, and a
lease of then outlives its holder by days. Such a row was written later than now, which tells it from one that waits rightly; its wait is
kept as long as it was meant to be. A clock that is put forward needs nothing: leases of living holders on this machine are theirs by a
lock, and what becomes due early is claimed in batches like everything else.
"""

import logging
import threading
import time
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from webapp.core.db import Base, database_now, db, reading
from webapp.core.leases import Leased

log = logging.getLogger("mailroom.clock")
#: columns that say how long a row waits
WAITS = ("next_attempt_at", "paused_until")
#: steps below this are a time server at work
SMALL_S = 2.0
SAMPLE_S = 0.2
#: no lease is ever taken for longer
LONGEST_LEASE = timedelta(minutes=15)
BATCH = 1000


class Watch:
    """Compares the clocks that rows are written by with one that only ever goes forward.

    `sample` looks at this machine's clock alone and costs nothing: a clock that goes ahead and back between two questions is noticed
    only by who looked meanwhile.
    """

    def __init__(self) -> None:
        self._base: float | None = None
        self._highest = _here()

    def sample(self) -> None:
        """To be called several times a second."""
        self._highest = max(self._highest, _here())

    def keep_sampling(self, stop: threading.Event) -> None:
        """Sample in a thread of its own until `stop`."""

        def run() -> None:
            while not stop.wait(SAMPLE_S):
                self.sample()

        threading.Thread(target=run, daemon=True, name="clock").start()

    def set_back_s(self) -> float | None:
        """By how many seconds a clock was set back since the last question, 0 for not at all; None at the first one."""
        with reading():
            base = database_now().timestamp() - time.monotonic()
            db.session.rollback()
        was, self._base = self._base, base
        here = _here()
        highest, self._highest = max(self._highest, here), here
        if was is None:
            return None
        back = max(was - base, highest - here)
        return back if back > SMALL_S else 0.0


def _here() -> float:
    """When this machine's steady clock began, by its clock of now."""
    return time.time() - time.monotonic()


def look(watch: Watch) -> int:
    """At the first time and after a step back bring forward what waits. Commits. returns how many rows"""
    seconds = watch.set_back_s()
    if seconds == 0.0:
        return 0
    number = bring_forward(thoroughly=seconds is not None)
    if seconds is not None or number:
        log.warning("the clock was set back by %s s; %s waiting rows were brought forward", round(seconds or 0), number)
    return number


def bring_forward(thoroughly: bool = True) -> int:
    """Give waits and leases that were written later than now an end that counts from now. Commits.

    thoroughly  also leases that no index finds, which reads their whole table
    """
    number = 0
    for mapper in Base.registry.mappers:
        for name in WAITS:
            if name in mapper.columns and "updated_at" in mapper.columns:
                number += _waits(mapper.class_, name)
        indexed = any(index.columns.keys()[:1] == ["lease_until"] for index in mapper.local_table.indexes)  # type: ignore[attr-defined]
        if issubclass(mapper.class_, Leased) and (thoroughly or indexed):
            number += _leases(mapper.class_)
    return number


def _waits(model: Any, name: str) -> int:
    column, number = getattr(model, name), 0
    while True:
        now = database_now()
        written_later = (column > now) & (model.updated_at > now + timedelta(seconds=SMALL_S))
        key = model.__mapper__.primary_key[0]
        rows = db.session.execute(select(key, column, model.updated_at).where(written_later).limit(BATCH)).all()
        for row_key, until, written in rows:
            values = {name: now + max(until - written, timedelta(0)), "updated_at": now}
            db.session.execute(update(model).where(key == row_key).values(values), execution_options={"synchronize_session": False})
        db.session.commit()
        number += len(rows)
        if len(rows) < BATCH:
            return number


def _leases(model: Any) -> int:
    now = database_now()
    freed = update(model).where(model.lease_until > now + LONGEST_LEASE).values(lease_until=now)
    result: Any = db.session.execute(freed, execution_options={"synchronize_session": False})
    db.session.commit()
    return int(result.rowcount)
