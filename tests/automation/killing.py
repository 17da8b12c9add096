"""Workers that are killed: a real child process does the work and ends by SIGKILL at a chosen point, with nothing closed or flushed."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from webapp.automation import steps
from webapp.core import queue
from webapp.core.db import begin_writing, db


def work_in_child(app: Any, prepare: Callable[[], None] | None = None) -> int:
    """Run all drains in a forked process; returns how it ended: 0, or minus the signal."""
    db.session.commit()
    db.session.remove()
    child = os.fork()
    if child == 0:
        try:
            with app.app_context():
                db.engine.dispose(close=False)  # the parent's connections are not ours to use or to close
                begin_writing()
                if prepare is not None:
                    prepare()
                queue.run_all()
            os._exit(0)
        finally:
            os._exit(1)
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            begin_writing()
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("the child did not end within 20 s")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_after_record() -> None:
    """The next action is performed, recorded and committed; then the process is gone."""
    record = steps._record

    def recorded(*args: Any) -> Any:
        record(*args)
        db.session.commit()
        die()

    steps._record = recorded


def die_before_record() -> None:
    """The next action is performed, and nobody hears of it."""
    steps._record = lambda *args: die()  # type: ignore[assignment]


def die_before_perform() -> None:
    """The attempt is noted; the action itself does not begin."""
    steps.perform = lambda loaded: die()  # type: ignore[assignment,return-value]
