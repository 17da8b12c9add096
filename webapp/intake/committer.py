"""Group commit: sessions hand in what they took, one thread stores all that waits in one transaction, then everybody gets the answer.

    receive() ──▶ waiting ──▶ thread: accept(all of them) ──▶ commit ──▶ 250 to each ──▶ Bellringer: jobs and pages hear of it

With many sessions one sync of the disk serves all of them; with one session nothing is slower than a commit each. While one group is
stored the next one forms by itself; nobody waits for it to fill.
"""

import asyncio
import logging
import queue
import threading
import time
from dataclasses import dataclass

from flask import Flask

from webapp.core import failpoints
from webapp.core.db import db
from webapp.core.queue import Bells
from webapp.intake import service
from webapp.mail import status
from webapp.mail.smtp_in import Arrival

logger = logging.getLogger("mailroom.smtp")
#: what one transaction takes at most
MOST_TOGETHER, MOST_BYTES = 100, 32 * 1024 * 1024
#: seconds between two rounds of the bellringer
BREATH_S = 0.05


@dataclass
class Waiting:
    """One message and who waits for its answer."""

    arrival: Arrival
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[str]"


class Committer:
    """The thread that stores; `receive` is awaited by the sessions, `stop` finishes what waits."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._ringer = Bellringer(app)
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def receive(self, arrival: Arrival) -> "asyncio.Future[str]":
        """The reply to the final dot; 250 only when the message is on disk."""
        loop = asyncio.get_running_loop()
        one = Waiting(arrival, loop, loop.create_future())
        self._waiting.put(one)
        return one.answer

    def stop(self, timeout_s: float = 10.0) -> None:
        self._waiting.put(None)
        self._thread.join(timeout_s)
        self._ringer.stop(timeout_s)

    def _run(self) -> None:
        while True:
            batch, last = self._take()
            if batch:
                self._store(batch)
            if last:
                return

    def _take(self) -> tuple[list[Waiting], bool]:
        """All that waits now, at least one; and whether this is the end."""
        batch: list[Waiting] = []
        size = 0
        one = self._waiting.get()
        while one is not None:
            batch.append(one)
            size += len(one.arrival.raw)
            if len(batch) >= MOST_TOGETHER or size >= MOST_BYTES:
                return batch, False
            try:
                one = self._waiting.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _store(self, batch: list[Waiting]) -> None:
        bells: list[Bells] = []
        with self.app.app_context():
            try:
                replies = service.accept([one.arrival for one in batch], bells)
            except Exception:
                logger.exception("%s messages could not be stored", len(batch))
                replies = [status.STORE_FAILED] * len(batch)
            finally:
                db.session.remove()
        failpoints.hit("accept.before_answer")
        self._answer(batch, replies)
        for bell in bells:
            self._ringer.ring(bell)

    def _answer(self, batch: list[Waiting], replies: list[str]) -> None:
        settled = [(one.answer, reply) for one, reply in zip(batch, replies, strict=True)]
        batch[0].loop.call_soon_threadsafe(_settle, settled)


def _settle(settled: "list[tuple[asyncio.Future[str], str]]") -> None:
    for answer, reply in settled:
        if not answer.done():
            answer.set_result(reply)


class Bellringer:
    """A thread that rings for what was committed. What comes while it rings, and shortly after, is rung together: a ring says only that
    there is something."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._waiting: queue.SimpleQueue[Bells | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="bellringer", daemon=True)
        self._thread.start()

    def ring(self, bells: Bells) -> None:
        self._waiting.put(bells)

    def stop(self, timeout_s: float) -> None:
        self._waiting.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        going_on = True
        while going_on:
            together = Bells({}, {})
            one = self._waiting.get()
            while one is not None:
                together.rings |= one.rings
                together.notices |= one.notices
                if self._waiting.empty():
                    break
                one = self._waiting.get()
            going_on = one is not None
            with self.app.app_context():
                try:
                    together.ring()
                except Exception:
                    logger.exception("the jobs could not be told of new mail; the sweep will")
            if going_on:
                time.sleep(BREATH_S)
