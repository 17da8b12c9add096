"""What is done to a running installation, one function each. A deed says in a word or two what it did; "" when it could not be done now."""

import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis

from tests.faults.house import House, SmallDisk
from tests.faults.servers import restart
from tests.faults.sink import TROUBLE, Sink
from tests.servers import PostgresServer

DAY_S = 86_400.0
PARTS = ("web", "smtp", "worker-1", "worker-2", "scheduler", "redis")


@dataclass
class Stage:
    """Where deeds are done, and the count of them."""

    house: House
    sink: Sink
    disk: SmallDisk
    postgres: PostgresServer | None
    database_url: str
    chance: random.Random
    #: longest duration of a deed that lasts, in seconds
    longest_s: float = 4.0
    done: Counter[str] = field(default_factory=Counter)
    #: connections that were open at the sink at the moment of each kill
    on_wire: int = 0

    def lasting(self) -> float:
        return self.chance.uniform(0.3, 1.0) * self.longest_s


def kill_part(name: str) -> Callable[[Stage], str]:
    """kill -9 of one part; the supervisor starts it again."""

    def deed(stage: Stage) -> str:
        stage.on_wire += len(stage.sink.open) if name.startswith("worker") else 0
        return f"kill -9 {name.partition('-')[0]}" if stage.house.kill(name) else ""

    return deed


def kill_parent(stage: Stage) -> str:
    """kill -9 of `up`; everything ends with it, and somebody starts it again."""
    stage.on_wire += len(stage.sink.open)
    stage.house.kill_parent()
    return "kill -9 up"


def flush_redis(stage: Stage) -> str:
    """FLUSHALL."""
    try:
        _redis(stage).flushall()
    except redis.RedisError:
        return ""
    return "FLUSHALL"


def stop_redis(stage: Stage) -> str:
    """Redis hangs for a while: it keeps its connections and answers nothing."""
    pid = stage.house.parts().get("redis")
    if pid is None:
        return ""
    return "redis stopped" if _stopped(pid, stage.lasting()) else ""


def stop_worker(stage: Stage) -> str:
    """A worker stands still for a while, as on a machine that swaps, and goes on."""
    pid = stage.house.parts().get(stage.chance.choice(("worker-1", "worker-2")))
    if pid is None:
        return ""
    return "worker stopped" if _stopped(pid, stage.lasting()) else ""


def _stopped(pid: int, seconds: float) -> bool:
    try:
        _signal(pid, signal.SIGSTOP)
        time.sleep(seconds)
        _signal(pid, signal.SIGCONT)
    except ProcessLookupError:
        return False
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    os.kill(pid, number)


def lock_sqlite(stage: Stage) -> str:
    """Somebody else holds SQLite's write lock."""
    connection = sqlite3.connect(stage.house.folder / "instance" / "mailroom.sqlite", timeout=30, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(stage.lasting())
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return ""
    finally:
        connection.close()
    return "database locked"


def fill_disk(stage: Stage) -> str:
    """No byte is free for a while, for the database, for blobs and for notes."""
    ballast: Path = stage.disk.fill()
    time.sleep(stage.lasting())
    ballast.unlink()
    return "disk full"


def jump_clock(stage: Stage) -> str:
    """All clocks of the installation show another day, and after a while the right one again."""
    name, shift_s = stage.chance.choice((("a day ahead", DAY_S), ("a day back", -DAY_S)))
    stage.house.set_clock(shift_s)
    time.sleep(stage.lasting() + 1)
    stage.house.set_clock(0)
    return f"clock {name} and right again"


def restart_postgres(stage: Stage) -> str:
    """PostgreSQL goes away in the midst of it (`immediate`: without good-bye) and comes back."""
    assert stage.postgres is not None
    restart(stage.postgres, stage.chance.choice(("fast", "immediate")))
    return "postgres restarted"


def end_backends(stage: Stage) -> str:
    """Every connection to PostgreSQL is ended by the server."""
    try:
        with psycopg.connect(stage.database_url.replace("+psycopg", ""), autocommit=True) as connection:
            others = "pid <> pg_backend_pid() AND datname IS NOT NULL"
            connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    except psycopg.OperationalError:
        return ""
    return "backends terminated"


def trouble_receiver(stage: Stage) -> str:
    """The receiver is in trouble for longer: one in three mails meets it."""
    stage.sink.trouble = {name: share * 4 for name, share in TROUBLE.items()}
    time.sleep(stage.lasting())
    stage.sink.trouble = TROUBLE
    return "receiver in trouble"


def available(stage: Stage) -> Mapping[str, Callable[[Stage], str]]:
    """The deeds that can be done here, by name."""
    deeds: dict[str, Callable[[Stage], str]] = {f"kill {name}": kill_part(name) for name in PARTS}
    deeds |= {"kill up": kill_parent, "flush redis": flush_redis, "stop redis": stop_redis, "stop worker": stop_worker}
    deeds |= {"trouble receiver": trouble_receiver}
    if stage.postgres is not None:
        deeds |= {"restart postgres": restart_postgres, "end backends": end_backends}
    else:
        deeds |= {"lock sqlite": lock_sqlite}
    if stage.disk.mounted:
        deeds["fill disk"] = fill_disk
    if stage.house.fakes_time:
        deeds["jump clock"] = jump_clock
    return deeds


def missing(stage: Stage) -> list[str]:
    """What cannot be done on this machine, with the reason."""
    return [] if stage.disk.mounted else ["disk full: needs the right to mount a small file system"]


def _redis(stage: Stage) -> Any:
    url = (stage.house.folder / "instance" / "redis" / "url").read_text().strip()
    return redis.Redis.from_url(url, socket_timeout=2)
