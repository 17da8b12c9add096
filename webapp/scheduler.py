"""The scheduler: rings for what is due and does the house's chores. Two of them are harmless, since work is claimed."""

import logging
import signal
import threading
import time

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from webapp import create_app
from webapp.core import heartbeat, jumps, log, queue
from webapp.core.db import begin_reading, begin_writing, db
from webapp.settings import Settings

logger = logging.getLogger("mailroom.scheduler")
SWEEP_S = 1.0


def run(settings: Settings, app: Flask | None = None) -> None:
    """Sweep every second until SIGTERM or SIGINT."""
    log.configure()
    app = app or create_app(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    next_due: dict[str, float] = {}
    last_beat = 0.0
    watch = jumps.Watch()
    watch.keep_sampling(stop)
    with app.app_context():
        while not stop.is_set():
            if time.monotonic() - last_beat > 15 or not last_beat:
                heartbeat.beat("scheduler")
                last_beat = time.monotonic()
            look_at_clock(watch)
            sweep()
            do_chores(next_due)
            stop.wait(SWEEP_S)


def look_at_clock(watch: jumps.Watch) -> None:
    """A clock that was set back freezes nothing."""
    try:
        jumps.look(watch)
    except SQLAlchemyError as error:
        db.session.rollback()
        logger.warning("cannot look at the clock: %s", error)


def sweep() -> list[str]:
    """Ring for each drain that has due rows; returns their names."""
    rung = []
    begin_reading()
    still = _rests()
    for item in queue.drains.values():
        try:
            if not (still and item.leaves) and item.due():
                rung.append(item.name)
        except SQLAlchemyError as error:
            logger.warning("cannot ask what is due for %s: %s", item.name, error)
        finally:
            db.session.rollback()
    begin_writing()
    for name in rung:
        queue.ring_now(name)
    return rung


def _rests() -> bool:
    try:
        return queue.rests()
    except SQLAlchemyError as error:
        db.session.rollback()
        logger.warning("cannot ask whether sending stands still: %s", error)
        return False


def do_chores(next_due: dict[str, float]) -> None:
    """Do each chore whose time has come; one that fails is logged and comes again."""
    for chore in queue.chores.values():
        if time.monotonic() < next_due.get(chore.name, 0.0):
            continue
        next_due[chore.name] = time.monotonic() + chore.every_s
        try:
            chore.do()
            db.session.commit()
        except Exception:
            logger.exception("chore %s failed", chore.name)
            db.session.rollback()
