"""What happens after the 250: stored mail is read, shown to the routes, and filed.

    claim + commit ──▶ parse, check its origin (no transaction open) ──▶ columns, search, verdict, plan, folder + commit

A message counts a death when it is claimed and none once it is done. What died once is worked on alone, so that a poisonous mail does
not take its neighbours along; at the third death it is parked: safe, shown raw, and out of the way.
"""

import logging
import time
from datetime import timedelta

from sqlalchemy import exists, select, text, update

from webapp.automation import runs
from webapp.core import events, failpoints, live
from webapp.core.db import database_now, db, reading
from webapp.core.leases import claim, free
from webapp.core.queue import drain
from webapp.domains.models import Domain
from webapp.happenings import stream
from webapp.intake import checking
from webapp.mail import mime
from webapp.mail.authentication import Verdict
from webapp.mail.mime import ParsedMail
from webapp.mailboxes.models import Mailbox
from webapp.messages import store
from webapp.messages.models import MOST_DEATHS, Message

logger = logging.getLogger("mailroom.intake")
WAITING = text("messages.state = 'received'")
BATCH, LEASE_S = 20, 60.0
#: a message whose processing failed goes again after so many seconds for each failure
AGAIN_S = 5


def has_due() -> bool:
    return bool(db.session.scalar(select(exists().where(WAITING, free(Message, database_now())))))


@drain(store.DRAIN, queue="mail", due=has_due)
def process_waiting(until: float) -> bool:
    """Work off what is stored and not read yet."""
    while time.monotonic() < until:
        ids = _claim()
        if not ids:
            return True
        try:
            process(ids)
        except Exception as error:
            logger.info("a batch of %s failed, trying each by itself: %s", len(ids), error, exc_info=True)
            db.session.rollback()
            _one_by_one(ids)
    return False


def _claim() -> list[int]:
    """Take a batch of messages that nobody died over, or one that somebody did; committed."""
    ids = claim(Message, WAITING & (Message.deaths == 0), limit=BATCH, lease_s=LEASE_S, order=Message.id)
    ids = ids or claim(Message, WAITING & (Message.deaths > 0), limit=1, lease_s=LEASE_S, order=Message.id)
    if ids:
        _set(ids, deaths=Message.deaths + 1)
        failpoints.hit("process.before_claim_commit")
    db.session.commit()
    failpoints.hit("process.claimed")
    return ids


def process(ids: list[int]) -> None:
    """Read these messages and finish them in one transaction."""
    with reading():
        rows = db.session.execute(select(*checking.COLUMNS).where(Message.id.in_(ids), Message.deaths <= MOST_DEATHS)).all()
        parsed = {row.id: mime.parse(store.load_raw(row.raw_id)) for row in rows}
        db.session.rollback()
    failpoints.hit("process.read")
    verdicts, late = checking.check(rows)
    failpoints.hit("process.checked")
    if late:  # the resolver took the time of the whole batch: these go again, and nobody died over them
        _set(late, deaths=0, lease_until=None, lease_owner=None)
    mine = select(Message).where(Message.id.in_(set(ids) - set(late)), WAITING).order_by(Message.id)
    messages = list(db.session.scalars(mine.with_for_update()))
    boxes = {message.mailbox_id for message in messages if message.mailbox_id}
    # held by name until the end, so that the session keeps them and nobody asks for each again
    _kept = list(db.session.execute(select(Mailbox, Domain).join(Domain, Domain.id == Mailbox.domain_id).where(Mailbox.id.in_(boxes))))
    with db.session.no_autoflush:
        for message in messages:
            if message.id in parsed:
                finish(message, parsed[message.id], verdicts.get(message.id))
            else:
                park(message, message.problem or "The worker that read it died each time.")
    failpoints.hit("process.before_commit")
    db.session.commit()
    failpoints.hit("process.committed")


def finish(message: Message, parsed: ParsedMail, verdict: Verdict | None = None) -> None:
    """Columns and search, its origin, the routes of its mailbox, then its folder unless it is quarantined or a route may absorb it."""
    store.apply_parsed(message, parsed)
    message.deaths, message.lease_until, message.lease_owner = 0, None, None
    if message.direction != "received":
        return
    checking.apply(message, verdict)
    held = False if message.is_system else runs.plan(message)
    failpoints.hit("process.planned")
    if not held and not message.quarantined:
        store.file_message(message)
    if not message.is_test:
        _note(message)
    events.send("mail_archived", message_id=message.id, is_test=message.is_test)


def _note(message: Message) -> None:
    """Its line in the event stream."""
    details = {"from": message.sender, "subject": (message.subject or "")[:200]}
    stream.note(
        "quarantined" if message.quarantined else "received", workspace_id=message.workspace_id, message_id=message.id,
        mailbox_id=message.mailbox_id, recipient=message.recipient, details=details,
    )  # fmt: skip


def park(message: Message, reason: str) -> None:
    """Give up on it: the source is safe and can be read in its folder, no route runs."""
    message.state, message.problem = "parked", reason
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
    message = db.session.get(Message, message_id, with_for_update=True)
    if message is None:
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
