"""The drain: claims batches and sends them until its time is up (DESIGN section 5, Out; PERFORMANCE rules 3, 4, 8).

    recover ─> claim, commit ─> local rows: deliver and record in one transaction
                              ─> others: lane.send one by one, no transaction open, results noted
                              ─> record results, put back the rest, commit ─> …
"""

import logging
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from webapp.core import failpoints, leases
from webapp.core.config import settings
from webapp.core.db import db, reading
from webapp.core.outside import outside
from webapp.mail.smtp_out import SendResult
from webapp.messages import admission, store
from webapp.sending import ledger, ways, wire
from webapp.sending.holding import Holding
from webapp.sending.models import Delivery, Outgoing
from webapp.sending.recover import recover
from webapp.sending.settle import Outcome, Waiting
from webapp.sending.transports import Lane, Parcel, local

logger = logging.getLogger("mailroom.sending")


def drain(until: float) -> bool:
    """Send what is due until `time.monotonic() >= until`; True when nothing due was left."""
    recover()
    lanes = Lanes()
    try:
        while time.monotonic() < until:
            if not send_batch(lanes, until):
                return True
    finally:
        lanes.close()
    with reading():
        left = ledger.has_due()
        db.session.rollback()
    return not left


class Lanes:
    """The connections of one drain, kept while it runs."""

    def __init__(self) -> None:
        self.transport = ways.platform()
        self._lane: Lane | None = None

    def take(self) -> Lane:
        if self._lane is None:
            if self.transport.open is None:
                raise RuntimeError(f"the transport {self.transport.name} opens no lane")
            self._lane = self.transport.open()
        return self._lane

    def close(self) -> None:
        if self._lane is not None:
            self._lane.close()
            self._lane = None


def send_batch(lanes: Lanes, until: float) -> bool:
    """One claim worked off, or as much of it as there is time for; False when nothing was due."""
    with reading():
        due = ledger.has_due()
        db.session.rollback()
    if not due:
        return False
    folder: Path = wire.folder_of(settings().instance)
    owner = leases.new_owner()
    with wire.Notes.start(folder, owner) as notes:
        failpoints.hit("send.notes_begun")
        rows = ledger.claim(owner, wire.boot_id())
        failpoints.hit("send.before_claim_commit")
        db.session.commit()
        failpoints.hit("send.claimed")
        if not rows:
            return False
        with Holding(owner) as holding:
            here = ways.local_ones(rows)
            db.session.rollback()
            deliver_here(owner, [row for row in rows if row.id in here])
            away = [row for row in rows if row.id not in here]
            if lanes.transport.open is None:
                ledger.put_back(owner, away, reason=lanes.transport.held_reason)
            else:
                outcomes, untried = send_away(lanes.take(), away, notes, holding, until)
                ledger.record(owner, outcomes)
                ledger.put_back(owner, untried)
            failpoints.hit("send.before_commit")
            db.session.commit()
            failpoints.hit("send.committed")
    return True


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
            result = local.deliver(outgoing, delivery, store.load_raw(row.raw_id))
    except SQLAlchemyError:
        raise
    except Exception as error:
        logger.exception("local delivery %s failed", row.id)
        text = f"the mailbox could not take it ({type(error).__name__})"
        result = SendResult(row.recipient, "retry", None, text, [], time.monotonic() - began)
    return Outcome(row, result, local.HOST, at)


def send_away(
    lane: Lane, rows: Sequence[Waiting], notes: wire.Notes, holding: Holding, until: float
) -> tuple[list[Outcome], list[Waiting]]:
    """Send one mail after the other; no transaction is open meanwhile. returns (what was tried, what was not)"""
    outcomes: list[Outcome] = []
    sources = Sources()
    for index, row in enumerate(rows):
        if time.monotonic() >= until or not holding.is_safe():
            return outcomes, list(rows[index:])
        at, began = outside().clock.now(), time.monotonic()
        try:
            parcel = Parcel(row.id, row.envelope_sender, row.recipient, sources.load(row.raw_id))
            failpoints.hit("send.before_connect")
            result = lane.send(parcel, partial(notes.body_begins, row.id, lane.host))
            failpoints.hit("send.answered")
        except Exception as error:  # one mail that breaks its sending must not take its neighbours along (C-25)
            db.session.rollback()
            logger.exception("delivery %s could not be sent", row.id)
            text = f"it could not be prepared for sending ({type(error).__name__}); the log of the worker says more"
            result = SendResult(row.recipient, "retry", None, text, [], time.monotonic() - began)
        notes.answered(row.id, result)
        failpoints.hit("send.answer_noted")
        outcomes.append(Outcome(row, result, lane.host, at))
    return outcomes, []


class Sources:
    """Raw mails of a batch, one kept at a time: rows come sorted by mail, and one mail may be 25 MB."""

    def __init__(self) -> None:
        self._raw_id, self._raw = 0, b""

    def load(self, raw_id: int) -> bytes:
        if raw_id != self._raw_id:
            with reading():
                self._raw = store.load_raw(raw_id)
                db.session.rollback()
            self._raw_id = raw_id
        return self._raw
