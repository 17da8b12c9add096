"""Fail points: named places at which a test process may be told to die, to fail or to wait.

    MAILROOM_FAILPOINTS="accept.before_commit=kill@3,accept.after_commit=raise"

    failpoints.hit("accept.before_commit")      what the code says; does nothing unless the variable is set when the process starts

What may be asked: `kill` (SIGKILL to itself), `raise` (`Planted`), `full` (OSError, no space left on the device), `stop` (SIGSTOP to
itself, so that a test may look and send SIGCONT), `sleep:SECONDS`. `@N` acts at the N-th time the place is reached, in this process,
and only then; without it at each. A name that ends in `*` stands for all that begin so.
"""

import errno
import itertools
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass

VARIABLE = "MAILROOM_FAILPOINTS"


class Planted(RuntimeError):
    """A failure that a test asked for."""


@dataclass(frozen=True)
class Point:
    """One wish: what happens at a place, and at which of the times it is reached (0: at each)."""

    deed: str
    time: int = 0


def read(wishes: str) -> dict[str, Point] | None:
    """The wishes of the variable by name; None when there are none. raises ValueError for one that is no wish"""
    points: dict[str, Point] = {}
    for wish in filter(None, (part.strip() for part in wishes.split(","))):
        name, equals, deed = wish.partition("=")
        deed, _, time_text = deed.partition("@")
        if not name or not equals or deed.partition(":")[0] not in ("kill", "raise", "full", "stop", "sleep"):
            raise ValueError(f"{VARIABLE}: {wish!r} is not NAME=kill|raise|full|stop|sleep:SECONDS[@N]")
        points[name] = Point(deed, int(time_text or 0))
    return points or None


_points: dict[str, Point] | None = read(os.environ.get(VARIABLE, ""))
_times: Counter[str] = Counter()


def plant(wishes: str) -> None:
    """For tests in this process: these wishes from now on, counted anew; an empty text takes all away."""
    global _points
    _times.clear()
    _points = read(wishes)


def hit(name: str) -> None:
    """A place where a test may want something to happen."""
    if _points is not None:
        _act(name, _points)


def _act(name: str, points: dict[str, Point]) -> None:
    prefixes = (f"{name[:end]}*" for end in range(len(name), -1, -1))
    point = next((points[key] for key in itertools.chain((name,), prefixes) if key in points), None)
    if point is None:
        return
    _times[name] += 1
    if point.time and _times[name] != point.time:
        return
    deed, _, value = point.deed.partition(":")
    if deed == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif deed == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif deed == "sleep":
        time.sleep(float(value))
    elif deed == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
    else:
        raise Planted(name)
