"""Mail that goes for good: what deleted mailboxes held, in batches with their sources; and what may be left over of sources.

A mailbox leaves the trash only when nothing lies in it any more (`webapp.mailboxes.contents`), so no transaction has to remove more than
a batch, however much it held.
"""

import time
from collections import Counter
from typing import Any

from sqlalchemy import delete, func, select

from webapp.core import live
from webapp.core.db import db, utcnow
from webapp.core.trash import KEPT
from webapp.mailboxes.models import Mailbox
from webapp.messages import raws, totals
from webapp.messages.models import Message, MessageText, RawMessage
from webapp.messages.reading import LIVE_EVENT

#: messages of one transaction, and sources that one look for left-overs checks
BATCH, CHECKED = 500, 2000
_columns = [getattr(Message, name) for name in totals.COUNTED]


def empty_old(budget_s: float) -> int:
    """Remove the mail of mailboxes whose time in the trash is over, until the time is used; each batch is committed. Says how many went."""
    until, gone = time.monotonic() + budget_s, 0
    over = select(Mailbox.id).where(Mailbox.deleted_at < utcnow() - KEPT).order_by(Mailbox.deleted_at)
    for mailbox_id in list(db.session.scalars(over)):
        while time.monotonic() < until and (number := remove_some(mailbox_id)):
            db.session.commit()
            gone += number
    return gone


def remove_some(mailbox_id: int, limit: int = BATCH) -> int:
    """One batch of a mailbox, the oldest first: rows, search, counters and sources nobody else needs. Says how many went."""
    query = select(Message.id, Message.raw_id, *_columns).where(Message.mailbox_id == mailbox_id).order_by(Message.id).limit(limit)
    rows = db.session.execute(query).all()
    if not rows:
        return 0
    ids = [row.id for row in rows]
    lost: Counter[str] = Counter()
    for row in rows:
        lost.update(totals.shares(dict(row._mapping)))
    for model, column in ((MessageText, MessageText.message_id), (Message, Message.id)):
        db.session.execute(delete(model).where(column.in_(ids)), execution_options={"synchronize_session": False})
    totals.note(rows[0].workspace_id, mailbox_id, {kind: -number for kind, number in lost.items()})
    raws.release(row.raw_id for row in rows)
    live.notify(rows[0].workspace_id, LIVE_EVENT)
    return len(rows)


def holds_mail(mailbox_id: int) -> bool:
    """Whether anything, in or out of the trash, lies in a mailbox."""
    return db.session.scalar(select(Message.id).where(Message.mailbox_id == mailbox_id).limit(1)) is not None


class LeftOvers:
    """Walks through all sources, a piece at a time, and removes those that nothing points at: what a crash or a cascade left."""

    def __init__(self) -> None:
        self.reached = 0

    def sweep(self) -> int:
        """The next piece; begins anew behind the last one. Says how many went."""
        newest: Any = select(func.max(RawMessage.id)).scalar_subquery()
        # The newest ones may be on their way to their message.
        query = select(RawMessage.id).where(RawMessage.id > self.reached, RawMessage.id < newest - CHECKED)
        ids = list(db.session.scalars(query.order_by(RawMessage.id).limit(CHECKED)))
        self.reached = ids[-1] if len(ids) == CHECKED else 0
        return raws.release(ids) if ids else 0
