"""Parts of the installation report in, so that /readyz, /metrics and `doctor` can say who is there and how they are.

Each report stands under a key of its own for a minute; the set `parts` says which keys there are, by the clock of Redis, so that
machines with wrong clocks are seen too. A part adds figures of its own with `gauges["smtp_sessions"] = function`.
"""

import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from flask import current_app

KEPT_S = 60
_WHO = "parts"
#: figures that this process reports: name -> function that gives the number now
gauges: dict[str, Callable[[], float]] = {}
#: figures that only ever grow while the process lives
totals: dict[str, Callable[[], float]] = {}


def clock_base() -> float:
    """When this machine booted by its clock of now, Unix time; it moves when the clock is set, and only then."""
    return time.time() - time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


_base = clock_base()


@dataclass(frozen=True)
class Report:
    """What one process said last.

    at          its clock then, Unix time
    clock_base  `clock_base()` when it started
    """

    part: str
    host: str
    pid: int
    at: float
    clock_base: float
    gauges: dict[str, float] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)


def beat(part: str) -> None:
    """Say that a part (`smtp`, `worker`, `scheduler`) is alive; a lost Redis is noticed elsewhere."""
    client: Any = current_app.extensions["redis"]
    member = f"{part}:{socket.gethostname()}:{os.getpid()}"
    said = {
        "at": time.time(), "clock_base": _base, "gauges": {"rss_bytes": rss_bytes(), **{name: ask() for name, ask in gauges.items()}},
        "totals": {name: ask() for name, ask in totals.items()},
    }  # fmt: skip
    try:
        now = client.time()[0]
        pipe = client.pipeline(transaction=False)
        pipe.set(f"part:{member}", json.dumps(said), ex=KEPT_S)
        pipe.zadd(_WHO, {member: now})
        pipe.zremrangebyscore(_WHO, 0, now - KEPT_S)
        pipe.execute()
    except redis.RedisError:
        return


def reports() -> list[Report] | None:
    """Everybody who reported in within the last minute; None while Redis is away."""
    client: Any = current_app.extensions["redis"]
    try:
        members = [member.decode() for member in client.zrange(_WHO, 0, -1)]
        said = client.mget([f"part:{member}" for member in members]) if members else []
    except redis.RedisError:
        return None
    found = []
    for member, text in zip(members, said, strict=True):
        if text is not None:
            part, host, pid = member.rsplit(":", 2)
            found.append(Report(part, host, int(pid), **json.loads(text)))
    return found


def parts() -> dict[str, int] | None:
    """How many of each part reported in within the last minute; None while Redis is away."""
    found = reports()
    if found is None:
        return None
    numbers: dict[str, int] = {}
    for report in found:
        numbers[report.part] = numbers.get(report.part, 0) + 1
    return numbers


def rss_bytes() -> int:
    """The memory of this process that is really there; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
