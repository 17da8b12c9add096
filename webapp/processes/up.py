"""`python app.py up`: everything on one machine, from the lock on the instance folder to the address of the dashboard.

    lock ─ ports ─ redis ─ load the application ─ prepare (migrate, first owner) ─ fork the parts ─ wait for /readyz ─ watch
"""

import fcntl
import gc
import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from flask import Flask
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import configure_mappers

import webapp
from webapp.accounts import links
from webapp.core import migrate
from webapp.core.errors import HouseError
from webapp.processes import aftermath, herald, parts, ports
from webapp.processes.child import Child
from webapp.processes.console import Console
from webapp.processes.redis_server import EmbeddedRedis, NoRedis
from webapp.processes.supervisor import Supervisor
from webapp.settings import Settings


class CannotStart(RuntimeError):
    """One sentence that says why, for stderr."""


@dataclass(frozen=True)
class Prepared:
    """What the preparing child found: whether the schema changed, and the one-time set-up link while there is no owner."""

    migrated: bool
    setup_url: str | None


def up(settings: Settings, begun: float | None = None) -> None:
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
        prepared = _prepared(supervisor.ask("prepare", lambda: _prepare(app)))
        if prepared is None and supervisor.stopping_since is None:
            raise CannotStart("Mailroom could not be prepared: see above.")
        if prepared is not None:
            _load_what_all_need()
            for child in parts.parts_of(app, settings, listener):
                supervisor.start(child)
            supervisor.after_death = lambda child, pid: _clear_up(supervisor, app, pid)
            # While the web part restarts, connections wait in this socket; once we stop, they are refused.
            supervisor.on_stop = listener.close
            supervisor.start(Child("up", lambda: herald.announce(settings, prepared.setup_url, prepared.migrated, begun), once=True))
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
    # Without this the garbage collector would touch, and so copy, every page of it in every child.
    gc.collect()
    gc.freeze()


def _prepare(app: Flask) -> bytes:
    """Runs in a short child: schema, first owner, set-up link."""
    try:
        aftermath.forget_earlier_lives(app)
        migrated = migrate.upgrade(app)
        links.make_first_owner(app)
        return json.dumps({"migrated": migrated, "setup_url": links.setup_url(app)}).encode()
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        return json.dumps({"refused": f"The database cannot be used: {reason}"}).encode()
    except HouseError as error:
        return json.dumps({"refused": f"The first owner cannot be made from MAILROOM_ADMIN_EMAIL: {error.message}"}).encode()
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
