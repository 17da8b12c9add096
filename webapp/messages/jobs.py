"""Housekeeping of the archive: what a mailbox keeps for so many days only, what it does not keep at all, what goes for good, and
whether the counters are right.
"""

import time
from datetime import timedelta

from sqlalchemy import select

from webapp.core import live
from webapp.core.blobs import FolderBlobs, blobs
from webapp.core.db import db, utcnow
from webapp.core.queue import every
from webapp.mailboxes.models import Mailbox
from webapp.messages import index, purging, recount
from webapp.messages.listing import LIVING
from webapp.messages.models import Message
from webapp.messages.reading import LIVE_EVENT

BATCH, MOST_BATCHES = 200, 25
#: without an archive, mail in no folder stays this long, so that every retry of a route finds it
WITHOUT_ARCHIVE = timedelta(days=2)
#: a chore holds the scheduler up, so it stops after so many seconds and goes on the next time
BUDGET_S = 2.0
#: a file that is half-written for so long was left by a crash
HALF_WRITTEN_S = 3600.0
left_overs = purging.LeftOvers()


@every(3600, "messages.retention")
def put_old_mail_away() -> None:
    """Into the trash, where it lies for another 30 days; system settings of each mailbox decide."""
    limited = select(Mailbox).where(
        Mailbox.deleted_at.is_(None), Mailbox.archive_retention_days.is_not(None) | Mailbox.archive_enabled.is_(False)
    )
    for mailbox in list(db.session.scalars(limited)):
        for _ in range(MOST_BATCHES):
            if put_away(mailbox) < BATCH:
                break


def put_away(mailbox: Mailbox) -> int:
    """One batch of a mailbox, oldest first, committed; says how many went."""
    due = []
    if mailbox.archive_retention_days is not None:
        due.append(Message.created_at < utcnow() - timedelta(days=mailbox.archive_retention_days))
    if not mailbox.archive_enabled:
        due.append(Message.folder.is_(None) & (Message.created_at < utcnow() - WITHOUT_ARCHIVE))
    query = select(Message).where(Message.mailbox_id == mailbox.id, LIVING, Message.state != "received")
    rows: list[Message] = []
    for condition in due:
        rows += db.session.scalars(query.where(condition).order_by(Message.id).limit(BATCH - len(rows)))
    for message in rows:
        message.deleted_at = utcnow()
        index.hide(message)
    if rows:
        live.notify(mailbox.workspace_id, LIVE_EVENT)
    db.session.commit()
    return len(set(rows))


@every(60, "messages.empty")
def empty_deleted_mailboxes() -> None:
    """The mail of mailboxes that leave the trash goes before them."""
    purging.empty_old(BUDGET_S)


@every(600, "messages.left-overs")
def remove_left_overs() -> None:
    """Sources that nothing points at, and files that a crash left half-written."""
    left_overs.sweep()
    store = blobs()
    if isinstance(store, FolderBlobs):
        store.sweep(HALF_WRITTEN_S, time.time())


@every(300, "messages.recount")
def check_counters() -> None:
    """A few mailboxes are counted anew, those first that were not for the longest time."""
    recount.refill_some()
    db.session.commit()
    recount.check_some(BUDGET_S)
