"""Checks the counters of mailboxes against their messages, and mends what differs.

    next_ones() ──> compare(mailbox): counters and sums in one statement, which is one snapshot ──> the difference is added

Both change in the same transactions, so a difference within one snapshot is an error, whatever happens meanwhile; and because only the
difference is added, mail that comes in between counts too.
"""

import logging
import time
from typing import Any

from sqlalchemy import BigInteger, case, cast, func, select, update

from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.counters import Counter
from webapp.core.db import db, reading, utcnow
from webapp.mailboxes import limits, notices
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.rows import target
from webapp.mailboxes.usage import Usage
from webapp.messages import totals
from webapp.messages.models import INBOX, Message

logger = logging.getLogger("mailroom.messages")
BATCH = 50


def check_some(budget_s: float) -> int:
    """Check the mailboxes that were not looked at for the longest time, until the time is used. Says how many were mended."""
    until, mended = time.monotonic() + budget_s, 0
    for mailbox_id in next_ones():
        if time.monotonic() >= until:
            break
        mended += check(mailbox_id)
    return mended


def next_ones(limit: int = BATCH) -> list[int]:
    query = select(Mailbox.id).where(Mailbox.deleted_at.is_(None)).order_by(Mailbox.counted_at.is_not(None), Mailbox.counted_at, Mailbox.id)
    with reading():
        ids = list(db.session.scalars(query.limit(limit)))
        db.session.rollback()
    return ids


def check(mailbox_id: int) -> bool:
    """Count one mailbox anew and note when; commits. Says whether its counters had to be mended."""
    with reading():  # the long look holds nobody up
        wrong = _differences(mailbox_id)
        db.session.rollback()
    mailbox = db.session.scalar(select(Mailbox).where(Mailbox.id == mailbox_id).with_for_update(key_share=True))
    if mailbox is None:
        return False
    if wrong:  # the lock keeps a second one from mending the same
        wrong = _differences(mailbox_id)
        totals.note(mailbox.workspace_id, mailbox_id, wrong)
        if wrong:
            logger.warning("the counters of mailbox %s were off and are mended: %s", mailbox_id, wrong)
            audit.record(Actor.system(mailbox.workspace_id, "recount"), "mailbox.recount", target(mailbox), after={"corrected_by": wrong})
    now = {"counted_at": utcnow(), "updated_at": Mailbox.updated_at}
    db.session.execute(update(Mailbox).where(Mailbox.id == mailbox_id).values(now), execution_options={"synchronize_session": False})
    refill(mailbox)
    db.session.commit()
    return bool(wrong)


def refill(mailbox: Mailbox) -> None:
    """What lists say of how full it is, after mail went or limits changed."""
    kept = totals.read(mailbox.workspace_id, mailbox.id)
    notices.set_filling(mailbox, limits.filling(mailbox, Usage(kept[""], kept["bytes"])))


def refill_some(limit: int = 500) -> None:
    """Mailboxes that were full or nearly so may have room again."""
    for mailbox in db.session.scalars(select(Mailbox).where(Mailbox.filling.is_not(None)).order_by(Mailbox.id).limit(limit)).all():
        refill(mailbox)


def _differences(mailbox_id: int) -> dict[str, int]:
    """By kind, what has to be added to the counter; one statement, so that both sides are of the same moment."""
    counted = {kind: select(Counter.number).where(_counter_of(mailbox_id, kind)).scalar_subquery() for kind in totals.KINDS}
    in_inbox = Message.folder == INBOX
    real = {
        "": func.count(), "received": _number(Message.direction == "received"), "sent": _number(Message.direction == "sent"),
        "inbox": _number(in_inbox), "unread": _number(in_inbox & ~Message.seen), "bytes": func.coalesce(func.sum(Message.size_bytes), 0),
    }  # fmt: skip
    columns = [cast(real[kind] - func.coalesce(counted[kind], 0), BigInteger).label(f"k_{kind}") for kind in totals.KINDS]
    row = db.session.execute(select(*columns).where(Message.mailbox_id == mailbox_id, Message.deleted_at.is_(None))).one()
    return {kind: int(by) for kind, by in zip(totals.KINDS, row, strict=True) if by}


def _counter_of(mailbox_id: int, kind: str) -> Any:
    whose = select(Mailbox.workspace_id).where(Mailbox.id == mailbox_id).scalar_subquery()
    return (Counter.workspace_id == whose) & (Counter.name == totals.name(mailbox_id, kind))


def _number(condition: Any) -> Any:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
