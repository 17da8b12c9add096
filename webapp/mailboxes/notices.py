"""A limit that is nearly or wholly used up is noticed once: the mailbox says so in lists, and a warning waits to be told.

    admission ──> note(mailbox, numbers) ──> mailbox_warnings ──> (job) event mailbox_limit ──> sending writes to the owners
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm.attributes import set_committed_value

from webapp.core import live, queue
from webapp.core.db import db, is_sqlite, utcnow
from webapp.mailboxes import limits
from webapp.mailboxes.limits import Meter, Over
from webapp.mailboxes.models import Mailbox, MailboxWarning
from webapp.mailboxes.usage import Numbers

DRAIN = "mailboxes.warn"
KEPT = timedelta(days=30)
#: limits whose window is an hour; the others are told once a day
HOURLY = ("received_hour", "sent_hour")


def note(mailbox: Mailbox, used: Numbers, refused: Over | None = None) -> None:
    """After mail was taken (or refused) for a mailbox with limits, in the same transaction."""
    found = limits.filling(mailbox, used.kept)
    if refused is not None and refused.limit in ("total", "storage"):
        found = "full"
    fuller = found is not None and found != mailbox.filling and mailbox.filling != "full"
    told: list[tuple[Meter, str]] = []
    for meter in limits.meters(mailbox, used):
        if meter.name in ("total", "storage"):
            if fuller and (meter.level or (refused and refused.limit == meter.name)):
                told.append((meter, str(found)))
        elif meter.level:
            told.append((meter, meter.level))
    set_filling(mailbox, found)
    if told:
        _keep(mailbox, told)


def set_filling(mailbox: Mailbox, found: str | None) -> None:
    """Without a trace in `updated_at`: nobody changed the mailbox."""
    if mailbox.filling == found:
        return
    values = {"filling": found, "updated_at": Mailbox.updated_at}
    db.session.execute(update(Mailbox).where(Mailbox.id == mailbox.id).values(values), execution_options={"synchronize_session": False})
    set_committed_value(mailbox, "filling", found)
    live.notify(mailbox.workspace_id, "mailboxes-changed")


def _keep(mailbox: Mailbox, told: list[tuple[Meter, str]]) -> None:
    now = utcnow()
    insert: Any = sqlite.insert if is_sqlite() else postgresql.insert
    rows = [
        {
            "workspace_id": mailbox.workspace_id, "mailbox_id": mailbox.id, "limit_name": meter.name, "level": level, "used": meter.used,
            "allowed": meter.limit, "period": f"{now:%Y-%m-%dT%H}" if meter.name in HOURLY else f"{now:%Y-%m-%d}", "created_at": now,
        }
        for meter, level in told
    ]  # fmt: skip
    fresh = insert(MailboxWarning).values(rows).on_conflict_do_nothing(index_elements=["mailbox_id", "limit_name", "level", "period"])
    result: Any = db.session.execute(fresh)
    if result.rowcount:
        queue.ring(DRAIN)


def has_waiting() -> bool:
    return db.session.scalar(select(MailboxWarning.id).where(MailboxWarning.told_at.is_(None)).limit(1)) is not None


def take_waiting(limit: int = 20) -> list[MailboxWarning]:
    """Warnings that nobody was told of, locked until the transaction ends."""
    query = select(MailboxWarning).where(MailboxWarning.told_at.is_(None)).order_by(MailboxWarning.id).limit(limit)
    return list(db.session.scalars(query if is_sqlite() else query.with_for_update(skip_locked=True)))


def forget_old() -> None:
    """Warnings are kept for 30 days."""
    old = delete(MailboxWarning).where(MailboxWarning.created_at < utcnow() - KEPT, MailboxWarning.told_at.is_not(None))
    db.session.execute(old, execution_options={"synchronize_session": False})
