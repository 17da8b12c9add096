"""What happens after the 250: stored mail is claimed in batches and goes through the steps of `pipeline`.

    claim + commit ──▶ read, check its origin (no transaction open) ──▶ columns, search, verdict, plan, folder + commit

A message counts a death when it is claimed and none once it is done. What died once is worked on alone, so that a poisonous mail does
not take its neighbours along, and each of its steps is noted before it begins; at the third death it is parked: safe, shown raw, and out
of the way, with the step that it died in. A person can send it through again (`parked.read_again`).
"""

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import exists, select, text, update
from sqlalchemy.exc import OperationalError

from webapp.core import failpoints, leases, live
from webapp.core.db import database_now, db, reading
from webapp.core.queue import drain
from webapp.intake import checking, pipeline
from webapp.intake.pipeline import Copy
from webapp.messages import journal, store
from webapp.messages.models import MOST_DEATHS, Message

logger = logging.getLogger("mailroom.intake")
WAITING = text("messages.state = 'received'")
#: mails, and bytes of source, of one batch; one mail alone may be larger
BATCH, BATCH_BYTES = 200, 8 * 1024 * 1024
#: how long a claim holds; while the DNS is asked it is made longer, because that takes its time
LEASE_S, ASKING_S = 30.0, 60.0
#: while mail keeps coming a worker waits so long after a batch that was not full: fewer, larger batches leave the database's one pen to
#: those who wait for their 250
GATHER_S = 0.04
#: a message whose processing failed goes again after so many seconds for each failure
AGAIN_S = 5


def has_due() -> bool:
    return bool(db.session.scalar(select(exists().where(WAITING, leases.free(Message, database_now())))))


@drain(store.DRAIN, queue="mail", due=has_due)
def process_waiting(until: float) -> bool:
    """Work off what is stored and not read yet."""
    while time.monotonic() < until:
        ids = _claim()
        if not ids:
            return True
        try:
            process(ids)
        except OperationalError as error:
            _forgive(ids, error)
            return True
        except Exception as error:
            logger.info("a batch of %s failed, trying each by itself: %s", len(ids), error, exc_info=True)
            db.session.rollback()
            _one_by_one(ids)
        if len(ids) < BATCH:
            if not _goes_on():
                return True
            time.sleep(GATHER_S)
    return False


def _goes_on() -> bool:
    """Whether more has come meanwhile; asked without the lock that a claim takes."""
    with reading():
        found = has_due()
        db.session.rollback()
    return found


def _forgive(ids: list[int], error: OperationalError) -> None:
    """A full disk, a lost connection: the database's trouble, over which no mail dies. The sweep rings again."""
    logger.warning("the database could not be used, %s messages wait for it: %s", len(ids), error.orig)
    db.session.rollback()
    again = database_now() + timedelta(seconds=AGAIN_S)
    _set(ids, deaths=Message.deaths - 1, lease_until=again, lease_owner=None)
    db.session.commit()


def _claim() -> list[int]:
    """Take a batch of messages that nobody died over, or one that somebody did; committed."""
    ids = _free(Message.deaths == 0, BATCH) or _free(Message.deaths > 0, 1)
    if ids:
        lease = {"lease_until": database_now() + timedelta(seconds=LEASE_S), "lease_owner": leases.new_owner()}
        _set(ids, deaths=Message.deaths + 1, **lease)
        failpoints.hit("process.before_claim_commit")
    db.session.commit()
    failpoints.hit("process.claimed")
    return ids


def _free(which: Any, most: int) -> list[int]:
    """The oldest that wait, as many as may be held in memory at once, locked."""
    query = select(Message.id, Message.size_bytes).where(WAITING, which, leases.free(Message, database_now()))
    ids: list[int] = []
    held = 0
    for row in db.session.execute(query.order_by(Message.id).limit(most).with_for_update(skip_locked=True)):
        held += row.size_bytes
        if ids and held > BATCH_BYTES:
            break
        ids.append(row.id)
    return ids


def process(ids: Sequence[int]) -> None:
    """Take these messages through their steps, and record all of it in one transaction."""
    copies = pipeline.load(ids)
    dead = [copy.id for copy in copies if copy.deaths > MOST_DEATHS]
    careful = len(copies) == 1 and copies[0].deaths > 1
    copies = [copy for copy in copies if copy.id not in set(dead)]
    _begin("read", copies, careful)
    copies, unread = pipeline.read(copies)
    if any(checking.is_due(copy) for copy in copies):
        _begin("origin", copies, careful)
        _hold_longer([copy.id for copy in copies])
    copies, unasked = pipeline.check(copies)
    _begin("planned", copies, careful)
    if late := [*unread, *unasked]:  # no time was left for these: they go again, and nobody died over them
        _set(late, deaths=0, lease_until=None, lease_owner=None)
    pipeline.record(copies)
    for message in db.session.scalars(select(Message).where(Message.id.in_(dead), WAITING).with_for_update()):
        park(message, message.problem or f"A worker ended without a word {MOST_DEATHS} times while {journal.doing(message.at_step)}.")
    failpoints.hit("process.before_commit")
    db.session.commit()
    failpoints.hit("process.committed")


def _begin(step: str, copies: Sequence[Copy], careful: bool) -> None:
    """Note what is about to be done, if that is worth a commit: should the worker die now, one knows where."""
    if careful and copies:
        _set([copies[0].id], at_step=step)
        db.session.commit()
    failpoints.hit(f"process.begin.{step}")


def _hold_longer(ids: list[int]) -> None:
    _set(ids, lease_until=database_now() + timedelta(seconds=ASKING_S))
    db.session.commit()


def park(message: Message, reason: str) -> None:
    """Give up on it: the source is safe and can be read in its folder, no route runs."""
    message.state, message.problem = "parked", reason
    message.journal = [*(message.journal or []), journal.entry("parked", reason)]
    message.lease_until = message.lease_owner = None
    message.sender = message.sender or message.envelope_sender
    if message.direction == "received":
        store.file_message(message)
    live.notify(message.workspace_id, store.LIVE_EVENT)
    logger.warning("message %s is parked: %s", message.id, reason)


def _one_by_one(ids: list[int]) -> None:
    """After a failure in a batch: find out whose it is; the others go through."""
    for message_id in ids:
        try:
            process([message_id])
        except Exception as error:
            logger.exception("message %s could not be processed", message_id)
            db.session.rollback()
            _note_failure(message_id, error)


def _note_failure(message_id: int, error: Exception) -> None:
    message = db.session.get(Message, message_id, with_for_update=True, populate_existing=True)
    if message is None or message.state != "received":
        db.session.rollback()
        return
    reason = f"Processing failed: {type(error).__name__}: {str(error)[:300]}"
    if message.deaths >= MOST_DEATHS:
        park(message, reason)
    else:
        message.problem = reason
        message.lease_until = database_now() + timedelta(seconds=AGAIN_S * message.deaths)
    db.session.commit()


def _set(ids: list[int], **values: object) -> None:
    db.session.execute(update(Message).where(Message.id.in_(ids)).values(**values), execution_options={"synchronize_session": False})
