"""The doorbell: rings leave with the commit, many make one job, and what Redis lost the sweep rings again."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from tests.servers import wait_until
from webapp import scheduler, worker
from webapp.core import heartbeat, queue
from webapp.core.db import db


class Work:
    """A drain for tests: counts how often it ran, and is due as long as it is told so."""

    def __init__(self) -> None:
        self.is_due, self.runs, self.finished = False, 0, True

    def due(self) -> bool:
        return self.is_due

    def do(self, until: float) -> bool:
        self.runs += 1
        self.is_due = not self.finished
        return self.finished


@pytest.fixture
def work(app: Any) -> Iterator[Work]:
    found = Work()
    queue.drains["test.work"] = queue.Drain("test.work", "default", found.due, found.do)
    yield found
    del queue.drains["test.work"]


def jobs(app: Any) -> int:
    return int(app.extensions["redis"].llen("rq:queue:default"))


def test_a_ring_leaves_with_the_commit_and_many_make_one_job(app: Any, work: Work) -> None:
    for _ in range(3):
        db.session.execute(text("SELECT 1"))
        queue.ring("test.work")
        assert jobs(app) <= 1
        db.session.commit()
    assert jobs(app) == 1


def test_a_ring_of_a_rolled_back_transaction_never_leaves(app: Any, work: Work) -> None:
    db.session.execute(text("SELECT 1"))
    queue.ring("test.work")
    db.session.rollback()
    db.session.execute(text("SELECT 1"))
    db.session.commit()
    assert jobs(app) == 0


def test_a_job_takes_the_flag_away_first_so_that_the_next_row_rings_again(app: Any, work: Work) -> None:
    queue.ring_now("test.work")
    assert queue.perform("test.work") is True and work.runs == 1
    queue.ring_now("test.work")
    assert jobs(app) == 2


def test_a_drain_that_did_not_finish_rings_for_the_rest(app: Any, work: Work) -> None:
    work.finished = False
    assert queue.perform("test.work") is False
    assert jobs(app) == 1


def test_the_sweep_rings_for_what_redis_lost(app: Any, work: Work) -> None:
    queue.ring_now("test.work")
    app.extensions["redis"].flushdb()
    work.is_due = True
    assert "test.work" in scheduler.sweep()
    assert jobs(app) == 1


def test_redis_away_costs_the_ring_and_nothing_else(app: Any, work: Work) -> None:
    app.extensions["redis"] = queue.connection("unix:///nowhere/redis.sock")
    db.session.execute(text("SELECT 1"))
    queue.ring("test.work")
    started = time.monotonic()
    db.session.commit()
    assert heartbeat.parts() is None
    assert time.monotonic() - started < 2, "nobody waits for a Redis that is away"


def test_a_chore_that_fails_is_logged_and_comes_again(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    runs: list[float] = []

    def broken() -> None:
        runs.append(time.monotonic())
        raise RuntimeError("no luck")

    queue.chores["test.chore"] = queue.Chore("test.chore", 0.0, broken)
    try:
        next_due: dict[str, float] = {name: time.monotonic() + 999 for name in queue.chores if name != "test.chore"}
        scheduler.do_chores(next_due)
        scheduler.do_chores(next_due)
    finally:
        del queue.chores["test.chore"]
    assert len(runs) == 2 and "test.chore failed" in caplog.text


def test_a_real_worker_process_reports_in_works_and_ends_at_sigterm(app: Any, work: Work) -> None:
    """A forked RQ worker takes the job off the queue; SIGTERM ends it within seconds."""
    if db.engine.dialect.name == "sqlite":
        db.session.remove()
        db.engine.dispose()
    client = app.extensions["redis"]

    def note(until: float) -> bool:
        client.set("test.ran", "yes")
        return True

    queue.drains["test.work"] = queue.Drain("test.work", "default", work.due, note)
    queue.ring_now("test.work")
    process = multiprocessing.get_context("fork").Process(target=_work, args=(app,))
    process.start()
    try:
        wait_until(lambda: client.get("test.ran"), "the job to run")
        wait_until(lambda: (heartbeat.parts() or {}).get("worker"), "the worker to report in")
    finally:
        os.kill(process.pid or 0, signal.SIGTERM)
        process.join(10)
        ended = process.exitcode
        process.kill()
    assert ended == 0


def _work(app: Any) -> None:
    db.engine.dispose(close=False)
    options = app.extensions["redis"].connection_pool.connection_kwargs
    app.extensions["redis"] = queue.connection(f"unix://{options['path']}?db={options['db']}")
    worker.work(app.config["SETTINGS"], app)
