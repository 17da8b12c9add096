"""One claimed batch on its way: a thread for each destination hands letters over, the drain records what comes back as it comes.

    journey = Journey(owner, notes, rows, carrier, until)      `is_off` says whether it was called off, `make` fills in campaigns' copies
    journey.wait(seconds)            True once everybody is back
    journey.record_some()            results so far become states, committed; `record_rest` at the end
    journey.leave()                  somebody hangs: a thread of this batch goes on waiting, so that the drain can

A destination that hangs holds its own thread and its own rows, nobody else's: other destinations of the batch are recorded meanwhile.
No transaction is open while the network is used; a lease thread holds the rows until the last one is recorded.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from flask import Flask, current_app

from webapp.core import failpoints
from webapp.core.db import begin_writing, db
from webapp.core.outside import outside
from webapp.mail.smtp_out import SendResult
from webapp.mail.smtp_pipe import Letter
from webapp.sending import campaigned, ledger, wire
from webapp.sending.fleet import fleet
from webapp.sending.holding import Holding
from webapp.sending.letters import Letters
from webapp.sending.settle import Outcome, Waiting
from webapp.sending.transports import Carrier

logger = logging.getLogger("mailroom.sending")
#: destinations of one batch that are visited at once
MOST_THREADS = 16
#: results are recorded when so many wait, or the oldest has waited so long; of a campaign, which nobody follows letter by letter, later
RECORD_AT, RECORD_AFTER_S, RECORD_CAMPAIGN_AFTER_S = 1000, 0.3, 1.0
LOOK_S = 0.02
#: how often a batch that may be called off is asked for
ASK_S = 0.2


class Journey:
    """The batch of one claim; `owner` holds its rows, `notes` tell what is on the wire."""

    def __init__(
        self, owner: str, notes: wire.Notes, rows: Sequence[Waiting], carrier: Carrier, until: float, *,
        make: campaigned.Make | None = None, is_off: Callable[[], bool] | None = None,
    ) -> None:  # fmt: skip
        self.owner, self.notes, self.carrier, self.until = owner, notes, carrier, until
        self.make, self._is_off = make, is_off
        self._asked_at = 0.0
        self.app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        self._clock = outside().clock
        self.at = self.now()
        self._outcomes: deque[Outcome] = deque()
        self._back: deque[tuple[list[Waiting], datetime | None, str | None]] = deque()
        self._recorded_at = time.monotonic()
        self._came = self._seen = 0
        self._is_stopped = self._is_broken = False
        self._all_back = threading.Event()
        self._lock = threading.Lock()
        self._visits: deque[Visit] = deque(_visits(self, rows))
        self._out = min(len(self._visits), MOST_THREADS)
        self._holding = Holding(owner)
        self._holding.__enter__()
        self.look()
        fleet.begin({visit.destination for visit in self._visits})
        for number in range(self._out):
            threading.Thread(target=self._travel, daemon=True, name=f"sending {owner} {number}").start()

    # --- the drain's side ---------------------------------------------------------------------------

    def wait(self, seconds: float) -> bool:
        """Whether everybody is back, within so long."""
        return self._all_back.wait(seconds)

    def look(self) -> None:
        """Ask whether what is sent was called off; nothing begins then any more. Ends the transaction."""
        now = time.monotonic()
        if self._is_off is not None and now - self._asked_at >= ASK_S:
            self._asked_at = now
            if self._is_off():
                self.until = 0.0

    def record_some(self) -> None:
        """Record what has come back, when it is enough or has waited long enough. Commits."""
        now = time.monotonic()
        after_s = RECORD_AFTER_S if self.make is None else RECORD_CAMPAIGN_AFTER_S
        if len(self._outcomes) >= RECORD_AT or (now - self._recorded_at >= after_s and (self._outcomes or self._back)):
            with self._ending_badly():
                self._record()

    def record_rest(self) -> None:
        """Everybody is back: record the rest, and end. Commits."""
        with self._ending_badly():
            self._record()
        self._end(well=not self._is_broken)

    @contextmanager
    def _ending_badly(self) -> Iterator[None]:
        """What cannot be recorded ends the batch, and its notes stay for whoever recovers it."""
        try:
            yield
        except BaseException:
            self._is_stopped = True
            self._end(well=False)
            raise

    @property
    def is_moving(self) -> bool:
        """Whether somebody came back since this was asked last."""
        seen, self._seen = self._seen, self._came
        return self._came != seen

    def leave(self) -> None:
        """Let a thread wait for those who are not back yet; nothing to do for a batch that ended badly."""
        if self._is_stopped:
            return
        threading.Thread(target=self._stay, daemon=True, name=f"sending {self.owner}").start()

    def _stay(self) -> None:
        with self.app.app_context():
            begin_writing()
            try:
                while not self.wait(RECORD_AFTER_S):
                    self.look()
                    self.record_some()
                self.record_rest()
            except Exception:
                logger.exception("the results of %s could not be recorded", self.owner)
            finally:
                db.session.remove()

    def stop(self) -> bool:
        """Whether no further letter may begin: time is up, the lease is not certain any more, or recording failed."""
        return self._is_stopped or time.monotonic() >= self.until or not self._holding.is_safe()

    def _record(self) -> None:
        self._recorded_at = time.monotonic()
        if not self._outcomes and not self._back:
            return
        self.notes.flush()
        outcomes = [self._outcomes.popleft() for _ in range(len(self._outcomes))]
        ledger.record(self.owner, outcomes)
        while self._back:
            rows, until, why = self._back.popleft()
            ledger.put_back(self.owner, rows, until=until, why=why)
        failpoints.hit("send.before_commit")
        db.session.commit()
        failpoints.hit("send.committed")

    def _end(self, well: bool) -> None:
        """The lease and the notes go; notes of a batch that did not end well stay for whoever recovers it, once nobody writes any more."""
        if not self._all_back.is_set():
            threading.Thread(target=self._end_later, args=(well,), daemon=True).start()
            return
        self._holding.__exit__(None, None, None)
        if well:
            self.notes.finish()
        else:
            self.notes.let_go()
        fleet.end()

    def _end_later(self, well: bool) -> None:
        self._all_back.wait()
        self._end(well)

    # --- the travellers' side -----------------------------------------------------------------------

    def _travel(self) -> None:
        """Visit one destination after the other."""
        try:
            with self.app.app_context():
                while True:
                    with self._lock:
                        if not self._visits:
                            break
                        visit = self._visits.popleft()
                    try:
                        visit.make()
                    except BaseException:
                        logger.exception("sending to %s broke off", visit.destination)
                        self._is_broken = True
                    fleet.back_from(visit.destination)
                db.session.remove()
        finally:
            with self._lock:
                self._out -= 1
                if not self._out:
                    self._all_back.set()

    def came_back(self, outcome: Outcome) -> None:
        """One letter has its answer."""
        self._outcomes.append(outcome)
        self._came += 1

    def bring_back(self, rows: list[Waiting], until: datetime | None, why: str | None) -> None:
        """These were not tried."""
        if rows:
            self._back.append((rows, until, why))

    def now(self) -> datetime:
        """The moment that an attempt is dated with."""
        return self._clock.now()


class Visit:
    """The letters of one batch for one destination, and the `Report` of what becomes of them."""

    def __init__(self, journey: Journey, destination: str, rows: Sequence[Waiting]) -> None:
        self.journey, self.destination, self.rows = journey, destination, rows
        self._letters = Letters(rows, self._spoilt, journey.make)
        self._until: datetime | None = None
        self._why: str | None = None

    def make(self) -> None:
        """Hand the letters over; what was not tried goes back."""
        try:
            self.journey.carrier.carry(self.destination, self._letters, self, self.journey.stop)
        finally:
            self.journey.notes.flush()
            self.journey.bring_back(self._letters.rest(), self._until, self._why)

    def begins(self, letter: Letter, host: str) -> None:
        self.journey.notes.body_begins(letter.key, host)

    def answered(self, letter: Letter, result: SendResult, host: str) -> None:
        failpoints.hit("send.answered")
        journey, row = self.journey, self._letters.taken[letter.key]
        is_plain = row.stream == "bulk" and result.outcome == "sent"
        if is_plain:
            result.dialogue = result.dialogue[-1:]
        journey.notes.answered(row.id, result, later=is_plain)
        failpoints.hit("send.answer_noted")
        # Of a copy that was taken at once nobody keeps the attempt's own moment (`plain_sent`).
        at = journey.at if is_plain and row.campaign_id is not None else journey.now()
        journey.came_back(Outcome(row, result, host, at))

    def later(self, until: datetime, reason: str) -> None:
        self._until, self._why = until, reason

    def _spoilt(self, row: Waiting, error: Exception) -> None:
        logger.error("delivery %s could not be sent", row.id, exc_info=error)
        text = f"it could not be prepared for sending ({type(error).__name__}); the log of the worker says more"
        result = SendResult(row.recipient, "retry", None, text)
        self.journey.notes.answered(row.id, result)
        self.journey.came_back(Outcome(row, result, self.destination, self.journey.now()))


def _visits(journey: Journey, rows: Sequence[Waiting]) -> list[Visit]:
    """One for each destination, in the order in which the rows came."""
    found: dict[str, list[Waiting]] = {}
    for row in rows:
        found.setdefault(journey.carrier.destination(row.domain), []).append(row)
    return [Visit(journey, destination, those) for destination, those in found.items()]
