"""The drain: claims batches and sends them until its time is up (DESIGN section 5, Out; PERFORMANCE rules 3, 4, 8).

    recover ─> claim, commit ─> local rows: deliver and record in one transaction
                              ─> others: a journey; results recorded as they come, no transaction open while the network is used ─> …

A batch that hangs somewhere is left to itself (`journey.leave`) after a moment, and the drain goes on with what else is due. A drain of
bulk mail looks every few milliseconds whether a transactional row is due, and sends that first.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from webapp.core import failpoints, leases
from webapp.core.config import settings
from webapp.core.db import db, is_sqlite, reading
from webapp.core.outside import outside
from webapp.mail.smtp_out import SendResult
from webapp.messages import admission, store
from webapp.sending import campaigned, carriers, ledger, ways, wire
from webapp.sending.fleet import fleet
from webapp.sending.journey import LOOK_S, Journey
from webapp.sending.models import STREAMS, Delivery, Outgoing
from webapp.sending.recover import recover
from webapp.sending.settle import Outcome, Waiting
from webapp.sending.transports import Carrier, Transport, local

logger = logging.getLogger("mailroom.sending")
#: rows of one claim: many bulk rows share two transactions, few transactional ones wait for one another
BATCHES = {"transactional": 100, "bulk": 1000}
#: a batch that is not back after so long goes on without the drain
PATIENCE_S = 1.0
#: a drain that finds too many hanging batches waits so long for one of them to end
FULL_S = 0.5
#: with less time than this left, in seconds, no batch is claimed ahead
AHEAD_S = 0.5
#: how often is looked beside a batch whose mails are made anew; each look takes the processor from it
MAKING_LOOK_S = 0.1
#: the time that one batch may begin letters, in seconds, whatever time its drain has
SLICE_S = 5.0


def drain(until: float, streams: Sequence[str] = STREAMS, gives_way: Callable[[], bool] = lambda: False) -> bool:
    """Send what is due in these streams until `time.monotonic() >= until`; True when nothing due was left.

    gives_way  asked after each batch: whether something else is more urgent, so that this ends
    """
    if carriers.is_time_to_look():
        recover()
    crew = carriers.Crew(ways.platform())
    try:
        done = [send_stream(crew, until, stream, gives_way) for stream in streams]
        return all(done)
    finally:
        crew.close()


def send_stream(
    crew: "carriers.Crew", until: float, stream: str, gives_way: Callable[[], bool] = lambda: False,
    claim: "Callable[[carriers.Crew, float, str], Batch | None] | None" = None,
) -> bool:  # fmt: skip
    """Batch after batch until nothing is due (True) or time is up.

    While one batch travels the next one is claimed, and it sets out before the results of the first are all recorded: the connections
    never wait for the database.

    claim  where the rows come from; `claim_batch` without it
    """
    claim = claim or claim_batch
    back: Journey | None = None
    journey: Journey | None = None
    batch = claim(crew, until, stream)
    try:
        while batch is not None or back is not None:
            journey, batch = batch.set_out(until) if batch is not None else None, None
            if back is not None:
                back.record_rest()
                back = None
            if journey is None:
                break
            if gives_way():
                until = time.monotonic()
            elif stream == "bulk" and not _wants_all(journey) and time.monotonic() < until - AHEAD_S:
                batch = claim(crew, until, stream)
            back, journey = _accompany(journey, crew, until, stream), None
            if back is not None and (batch is None or _wants_all(back)):
                back.record_rest()
                back = None
            batch = batch or claim(crew, until, stream)
        return time.monotonic() < until and fleet.has_room(FULL_S)
    except BaseException:
        if batch is not None:
            batch.notes.let_go()
        for under_way in (journey, back):
            if under_way is not None:
                under_way.leave()
        raise


def _wants_all(journey: Journey) -> bool:
    """Whether nothing is done beside it: its mails are made anew, so this process is the slow part, and SQLite would work in it as well."""
    return journey.make is not None and is_sqlite()


@dataclass
class Batch:
    """Rows that are claimed and have not set out; `carrier` takes them. `make`, `is_off`: as a `Journey` takes them."""

    owner: str
    notes: wire.Notes
    rows: list[Waiting]
    carrier: Carrier
    make: campaigned.Make | None = None
    is_off: Callable[[], bool] | None = None

    def set_out(self, until: float) -> Journey:
        """From now on they are sent."""
        ends = min(until, time.monotonic() + SLICE_S)
        self.notes.expect(len(self.rows))
        return Journey(self.owner, self.notes, self.rows, self.carrier, ends, make=self.make, is_off=self.is_off)


def claim_batch(crew: "carriers.Crew", until: float, stream: str) -> Batch | None:
    """The next rows that leave this machine; those of mailboxes here are delivered on the way. None when nothing is due or time is up."""
    while time.monotonic() < until:
        busy = crew.busy()
        with reading():
            due = ledger.has_due((stream,), without=busy)
            db.session.rollback()
        if not due or fleet.is_full:
            return None
        batch = _claim(crew, stream, busy)
        if batch is not None:
            return batch
    return None


def _claim(crew: "carriers.Crew", stream: str, busy: list[str]) -> Batch | None:
    folder: Path = wire.folder_of(settings().instance)
    owner = leases.new_owner()
    notes = wire.Notes.start(folder, owner)
    try:
        failpoints.hit("send.notes_begun")
        rows = ledger.claim(owner, wire.boot_id(), BATCHES[stream], stream, without=busy)
        failpoints.hit("send.before_claim_commit")
        db.session.commit()
        failpoints.hit("send.claimed")
        here = ways.local_ones(rows)
        db.session.rollback()
        away = [row for row in rows if row.id not in here]
        carrier = crew.carrier(stream)
        if carrier is None and away:
            _hold(owner, away, crew.transport)
        deliver_here(owner, [row for row in rows if row.id in here])
        if carrier is None or not away:
            notes.finish()
            return None
    except BaseException:
        notes.let_go()
        raise
    return Batch(owner, notes, away, carrier)


def _hold(owner: str, rows: list[Waiting], transport: Transport) -> None:
    ledger.put_back(owner, rows, reason=transport.held_reason)
    failpoints.hit("send.before_commit")
    db.session.commit()
    failpoints.hit("send.committed")


def _accompany(journey: Journey, crew: "carriers.Crew", until: float, stream: str) -> Journey | None:
    """Record what comes back until everybody is; None when the batch goes on alone, because it takes long."""
    patient_until, look_s = time.monotonic() + PATIENCE_S, LOOK_S if journey.make is None else MAKING_LOOK_S
    while not journey.wait(look_s):
        journey.look()
        journey.record_some()
        now = time.monotonic()
        if journey.is_moving:
            patient_until = now + PATIENCE_S
        if now >= min(patient_until, until + PATIENCE_S):
            journey.leave()
            return None
        if stream == "bulk" and now < until:
            send_stream(crew, until, "transactional")
    return journey


def deliver_here(owner: str, rows: Sequence[Waiting]) -> None:
    """Recipients of this installation: the copy and its record are one transaction, so neither is lost nor doubled."""
    if not rows:
        return
    held = ledger.still_held(rows, owner)
    admission.hold_addresses(row.recipient for row in rows)
    outcomes = []
    for row in rows:
        if row.id in held:
            outcomes.append(_deliver_one(row))
    failpoints.hit("send.here_delivered")
    ledger.record(owner, outcomes)
    failpoints.hit("send.here_before_commit")
    db.session.commit()
    failpoints.hit("send.here_committed")


def _deliver_one(row: Waiting) -> Outcome:
    at, began = outside().clock.now(), time.monotonic()
    try:
        with db.session.begin_nested():
            delivery, outgoing = db.session.get_one(Delivery, row.id), db.session.get_one(Outgoing, row.outgoing_id)
            raw = store.load_raw(row.raw_id) if row.campaign_id is None else campaigned.mails([row])(row).raw
            result = local.deliver(outgoing, delivery, raw)
    except SQLAlchemyError:
        raise
    except Exception as error:
        logger.exception("local delivery %s failed", row.id)
        text = f"the mailbox could not take it ({type(error).__name__})"
        result = SendResult(row.recipient, "retry", None, text, [], time.monotonic() - began)
    return Outcome(row, result, local.HOST, at)
