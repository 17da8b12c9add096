"""`python app.py up`: everything on one machine, from the lock on the instance folder to the address of the dashboard.

    lock ─ ports ─ redis ─ load the application ─ prepare (migrate, first owner) ─ fork the parts ─ wait for /readyz ─ watch
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from flask import Flask
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import configure_mappers

import webapp
from webapp.accounts import links
from webapp.core import heap, migrate
from webapp.core.errors import HouseError
from webapp.processes import aftermath, herald, parts, ports
from webapp.processes.child import Child
from webapp.processes.console import Console
from webapp.processes.redis_server import EmbeddedRedis, NoRedis
from webapp.processes.supervisor import Supervisor
from webapp.settings import Settings
from webapp.standstill import service as standstill


class CannotStart(RuntimeError):
    """One sentence that says why, for stderr."""


@dataclass(frozen=True)
class Prepared:
    """What the preparing child found: whether the schema changed, and the one-time set-up link while there is no owner."""

    migrated: bool
    setup_url: str | None
    guest: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Guest:
    """One part more, for `demo`.

    prepare  runs once before all parts, after the schema is current; what it returns (JSON) is handed to `run`
    run      the part itself
    lines    label and text of lines for the banner
    """

    name: str
    prepare: Callable[[Flask], dict[str, Any]]
    run: Callable[[dict[str, Any]], None]
    lines: tuple[tuple[str, str], ...] = ()


def up(settings: Settings, begun: float | None = None, guest: Guest | None = None) -> None:
    """Run everything until SIGTERM or Ctrl-C.

    begun   monotonic time from which the time of the start is counted; None: now
    raises  CannotStart, BadSetting, NoRedis
    """
    begun = begun or time.monotonic()
    lock = take_lock(settings.instance)
    ports.check(settings, but="MAILROOM_HTTP_PORT")
    listener = ports.listen("MAILROOM_HTTP_PORT", settings.http_host, settings.http_port)
    console = Console()
    supervisor = Supervisor(console, keep=[lock.fileno()])
    os.environ["MAILROOM_UNDER_UP"] = "1"
    try:
        redis = None
        if settings.redis_url is None:
            redis = EmbeddedRedis(settings.instance)
            redis_part = start_redis(redis, supervisor)
            settings = replace(settings, redis_url=redis.place.url)
        app = webapp.create_app(settings)
        if redis is not None:
            wait_for_redis(redis, redis_part, supervisor)
        prepared = _prepared(supervisor.ask("prepare", lambda: _prepare(app, guest)))
        if prepared is None and supervisor.stopping_since is None:
            raise CannotStart("Mailroom could not be prepared: see above.")
        if prepared is not None:
            _load_what_all_need()
            for child in parts.parts_of(app, settings, listener):
                supervisor.start(child)
            if guest is not None:
                supervisor.start(_part_of(guest, prepared, listener))
            supervisor.after_death = lambda child, pid: _clear_up(supervisor, app, pid)
            # While the web part restarts, connections wait in this socket; once we stop, they are refused.
            supervisor.on_stop = listener.close
            lines = guest.lines if guest is not None else ()
            tell = lambda: herald.announce(settings, prepared.setup_url, prepared.migrated, begun, lines)  # noqa: E731  # one line
            supervisor.start(Child("up", tell, once=True))
        supervisor.run()
    finally:
        supervisor.stop()
        supervisor.run()
        supervisor.close()
        lock.close()


def take_lock(instance: Path) -> IO[str]:
    """Make the instance folder if need be and hold it for this process. raises CannotStart when another `up` has it"""
    try:
        instance.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = open(instance / "up.lock", "a+", encoding="ascii")  # noqa: SIM115  # held open for the life of the process
    except OSError as error:
        raise CannotStart(f"MAILROOM_INSTANCE is {instance}, which cannot be used: {error.strerror}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        what = f"Mailroom already runs on {instance} (process {holder}). Stop it, or set MAILROOM_INSTANCE to another folder."
        raise CannotStart(what) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def start_redis(redis: EmbeddedRedis, supervisor: Supervisor) -> Child:
    """Fork the embedded Redis; it is ready later."""
    redis.prepare()
    return supervisor.start(Child("redis", redis.run, stage=parts.LAST))


def wait_for_redis(redis: EmbeddedRedis, part: Child, supervisor: Supervisor) -> None:
    """Until it answers. Data that it cannot load is set aside once. raises NoRedis"""

    def is_running() -> bool:
        supervisor.turn(0)
        return part.deaths == 0 and supervisor.stopping_since is None

    if redis.wait(is_running) or supervisor.stopping_since is not None:
        return
    if redis.set_aside():
        supervisor.console.say("up", f"Redis did not start ({redis.last_words()}). Its data is set aside; nothing is lost.")
        part.deaths = 0
        if redis.wait(is_running) or supervisor.stopping_since is not None:
            return
    raise NoRedis(f"The embedded Redis ({redis.binary}) does not start: {redis.last_words()}")


def _load_what_all_need() -> None:
    """Whatever is in memory before the fork is there once for all children, and is worked out once."""
    configure_mappers()
    migrate.head()
    heap.settle()


def _part_of(guest: Guest, prepared: Prepared, listener: socket.socket) -> Child:
    def run() -> None:
        listener.close()
        guest.run(prepared.guest)

    return Child(guest.name, run, stage=parts.FIRST)


def _prepare(app: Flask, guest: Guest | None = None) -> bytes:
    """Runs in a short child: schema, first owner, set-up link."""
    try:
        aftermath.forget_earlier_lives(app)
        migrated = migrate.upgrade(app)
        with app.app_context():
            standstill.look()
        links.make_first_owner(app)
        found = guest.prepare(app) if guest is not None else {}
        return json.dumps({"migrated": migrated, "setup_url": links.setup_url(app), "guest": found}).encode()
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        return json.dumps({"refused": f"The database cannot be used: {reason}"}).encode()
    except HouseError as error:
        return json.dumps({"refused": f"The first owner cannot be made: {error.message}"}).encode()
    except RuntimeError as error:
        return json.dumps({"refused": str(error)}).encode()


def _prepared(answer: bytes) -> Prepared | None:
    """None when a stop came first, or when it failed in a way that nobody expected."""
    if not answer:
        return None
    found = json.loads(answer)
    if "refused" in found:
        raise CannotStart(found["refused"])
    return Prepared(**found)


def _clear_up(supervisor: Supervisor, app: Flask, pid: int) -> None:
    def clear_up() -> None:
        aftermath.clear_up(app, pid)

    supervisor.start(Child("aftermath", clear_up, once=True))
