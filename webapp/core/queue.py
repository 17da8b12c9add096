"""The doorbell: RQ jobs that say "there is something due", never what. The database is the truth.

    ring("automation.drain")      after the commit: one job in its queue, however many rows are due
    @drain("automation.drain", queue="mail", due=has_due_runs)
    def drain_runs(until): ...    claims rows in batches until its time is up, answers whether it worked everything off

A ring sets a flag in Redis for as long as a job waits, so that a thousand commits make one job. The job takes the flag away first and
then looks, so no row is missed; a job that is lost with Redis is found again by the scheduler, which asks each `due` every second.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis
from flask import current_app
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from webapp.core import failpoints
from webapp.core.db import db

log = logging.getLogger("mailroom.queue")
QUEUES = ("mail", "webhooks", "campaigns", "imports", "default")
BUDGET_S = 5.0
FLAG_S = 30


@dataclass(frozen=True)
class Drain:
    """One kind of background work. `work(until)` runs until `time.monotonic() >= until`; True when nothing due was left.

    leaves  whether it may send something out of this installation; such work rests while the installation stands still
    """

    name: str
    queue: str
    due: Callable[[], bool]
    work: Callable[[float], bool]
    leaves: bool = False


@dataclass(frozen=True)
class Chore:
    """Something the scheduler does itself every so often; short, and harmless when two schedulers do it."""

    name: str
    every_s: float
    do: Callable[[], None]


drains: dict[str, Drain] = {}
chores: dict[str, Chore] = {}
#: asked before work that leaves: whether it has to rest; outside of any transaction
brakes: list[Callable[[], bool]] = []


def drain(
    name: str, *, queue: str, due: Callable[[], bool], leaves: bool = False
) -> Callable[[Callable[[float], bool]], Callable[[float], bool]]:
    """Register a drain. `due` says by one indexed query whether any row waits for it now; `leaves` as in `Drain`."""

    def register(work: Callable[[float], bool]) -> Callable[[float], bool]:
        drains[name] = Drain(name, queue, due, work, leaves)
        return work

    return register


def every(seconds: float, name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a chore of the scheduler."""

    def register(do: Callable[[], None]) -> Callable[[], None]:
        chores[name] = Chore(name, seconds, do)
        return do

    return register


def ring(name: str) -> None:
    """Ring once the current transaction is committed; nothing is rung when it is rolled back."""
    db.session.info.setdefault("rings", {})[name] = True


@dataclass
class Bells:
    """What a transaction rings after its commit, for somebody who first has something more urgent to do."""

    rings: dict[str, bool]
    notices: dict[str, Callable[[], None]]

    def ring(self) -> None:
        for name in self.rings:
            ring_now(name)
        for notice in self.notices.values():
            notice()


def hold_bells() -> Bells:
    """Take over what the current transaction would ring; to be asked right before its commit, and rung by the caller after it."""
    return Bells(db.session.info.pop("rings", {}), db.session.info.pop("notices", {}))


@event.listens_for(Session, "after_commit")
def _leave(session: Session) -> None:
    if session.in_nested_transaction():
        return
    for name in session.info.pop("rings", {}):
        ring_now(name)
    for notice in session.info.pop("notices", {}).values():
        notice()


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, ended: SessionTransaction) -> None:
    if ended.nested:
        return  # a savepoint; the transaction around it goes on, and a ring too many is harmless
    session.info.pop("rings", None)
    session.info.pop("notices", None)


def after_commit(key: str, do: Callable[[], None]) -> None:
    """Call `do` once the current transaction is committed; the same key again replaces it. It must not touch the database."""
    db.session.info.setdefault("notices", {})[key] = do


def ring_now(name: str) -> None:
    """Put a job into its queue unless one waits already. Redis being away is no failure: the sweep rings later."""
    client: redis.Redis = current_app.extensions["redis"]
    try:
        if client.set(f"ring:{name}", "1", nx=True, ex=FLAG_S):
            failpoints.hit("queue.flag_set")
            Queue(drains[name].queue, connection=client).enqueue(
                "webapp.worker.perform", name, job_timeout=600, result_ttl=0, failure_ttl=86400
            )
    except redis.RedisError as error:
        log.warning("cannot ring %s, the sweep will: %s", name, error)


def is_waiting(queue: str) -> bool:
    """Whether a job waits in this queue; not when Redis is away."""
    client: redis.Redis = current_app.extensions["redis"]
    try:
        return Queue(queue, connection=client).count > 0
    except redis.RedisError:
        return False


def rests() -> bool:
    """Whether work that leaves rests now. Ends the current transaction."""
    return any(ask() for ask in brakes)


def take_flag(name: str) -> None:
    client: redis.Redis = current_app.extensions["redis"]
    try:
        client.delete(f"ring:{name}")
    except redis.RedisError as error:
        log.warning("redis away: %s", error)


def perform(name: str) -> bool:
    """What a job does: take the flag away, work until the budget is used, ring again for what is left."""
    take_flag(name)
    failpoints.hit("queue.flag_taken")
    if drains[name].leaves and rests():
        return True
    finished = drains[name].work(time.monotonic() + BUDGET_S)
    if not finished:
        ring_now(name)
    return finished


def run_all(limit: int = 50) -> int:
    """Work everything off in this process, until nothing is due; for tests and for `demo`. Returns how many rounds ran."""
    rounds = 0
    for _ in range(limit):
        still = rests()
        due = [d for d in list(drains.values()) if not (still and d.leaves) and d.due()]
        db.session.rollback()
        if not due:
            return rounds
        for item in due:
            item.work(time.monotonic() + BUDGET_S)
            rounds += 1
    return rounds


def connection(url: str, *, patient: bool = False) -> Any:
    """The Redis client of this process; no connection is opened before the first command.

    One immediate repetition for a connection that went stale, no more: whoever asks can do without Redis, and must not wait for it.
    patient  for a worker that blocks in a command until there is work
    """
    retry = Retry(NoBackoff(), 1)
    return redis.Redis.from_url(url, socket_timeout=600 if patient else 5, socket_connect_timeout=1, health_check_interval=30, retry=retry)
