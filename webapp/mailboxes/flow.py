"""How much mail goes through a mailbox: counted by the minute and kept for a day, so that limits an hour and a day cost a short look.

A minute counts until its last mail is older than the span, so a limit is never passed within any hour or day.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import case, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from webapp.core.db import database_now, db, utcnow
from webapp.core.fast_rows import Statement
from webapp.core.pending import Pending
from webapp.mailboxes.models import MailboxMinute

DIRECTIONS = ("received", "sent")
SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
#: minutes whose rows one run of the chore removes
STEP = 120


class Flow(NamedTuple):
    """Mails of the last hour and of the last day, in one direction."""

    hour: int = 0
    day: int = 0


Key = tuple[int, str]


def note(mailbox_id: int, direction: str, number: int = 1) -> None:
    """A mail was received or sent; counted when the transaction commits."""
    _pending.note((mailbox_id, direction), number)


def _write(session: Session, noted: dict[Key, int]) -> None:
    now = utcnow()
    rows = [
        {"mailbox_id": mailbox_id, "direction": direction, "minute": minute_of(now), "number": number, "last_at": now}
        for (mailbox_id, direction), number in sorted(noted.items())
    ]
    _upsert.many(rows, session)


def _make_upsert(dialect: str) -> Any:
    table: Any = MailboxMinute.__table__
    statement: Any = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    added = {"number": table.c.number + statement.excluded.number, "last_at": statement.excluded.last_at}
    return statement.on_conflict_do_update(index_elements=["mailbox_id", "direction", "minute"], set_=added)


_upsert = Statement(_make_upsert)
_pending: Pending[Key] = Pending("flow", _write)


def minute_of(moment: datetime) -> int:
    """Minutes since the epoch."""
    return int(moment.timestamp() // 60)


def read(mailbox_ids: Iterable[int]) -> dict[Key, Flow]:
    """The flow of several mailboxes by (mailbox, direction), with what the current transaction noted; one query."""
    ids = sorted(set(mailbox_ids))
    if not ids:
        return {}
    now = database_now()
    row = MailboxMinute
    this_hour = func.sum(case((row.last_at > now - SPANS["hour"], row.number), else_=0))
    query = select(row.mailbox_id, row.direction, this_hour, func.sum(row.number)).where(*_since(ids, now - SPANS["day"]))
    rows = db.session.execute(query.group_by(row.mailbox_id, row.direction))
    found = {(box, way): Flow(int(hour), int(day)) for box, way, hour, day in rows}
    for key, number in _pending.of(db.session).items():
        if key[0] in ids:
            known = found.get(key, Flow())
            found[key] = Flow(known.hour + number, known.day + number)
    return found


def _since(ids: list[int], moment: datetime) -> tuple[Any, ...]:
    """Conditions that the primary key serves."""
    row = MailboxMinute
    return row.mailbox_id.in_(ids), row.direction.in_(DIRECTIONS), row.minute >= minute_of(moment), row.last_at > moment


class Full(NamedTuple):
    """A limit an hour or a day that is used up."""

    mailbox_id: int
    direction: str
    span: str
    limit: int


def frees_at(full: Full) -> datetime:
    """When there is room for one more mail, if none comes meanwhile."""
    return frees_of([full])[full]


def frees_of(limits: Iterable[Full]) -> dict[Full, datetime]:
    """The same of several limits; one query."""
    asked = list(limits)
    if not asked:
        return {}
    now, row = database_now(), MailboxMinute
    query = select(row.mailbox_id, row.direction, row.number, row.last_at)
    query = query.where(*_since(sorted({full.mailbox_id for full in asked}), now - SPANS["day"]))
    minutes: dict[Key, list[tuple[int, datetime]]] = {}
    for mailbox_id, direction, number, last_at in db.session.execute(query.order_by(row.minute)):
        minutes.setdefault((mailbox_id, direction), []).append((number, last_at))
    return {full: _frees(full, minutes.get((full.mailbox_id, full.direction), []), now) for full in asked}


def _frees(full: Full, minutes: list[tuple[int, datetime]], now: datetime) -> datetime:
    length = SPANS[full.span]
    counted = [(number, last_at) for number, last_at in minutes if last_at > now - length]
    left = sum(number for number, _ in counted) + _pending.of(db.session).get((full.mailbox_id, full.direction), 0)
    for number, last_at in counted:
        left -= number
        if left < full.limit:
            return last_at + length
    return now + length


def forget_old() -> int:
    """Remove minutes older than a day, the oldest hours first; returns how many rows went."""
    ends = minute_of(utcnow() - SPANS["day"]) - 1
    oldest = db.session.scalar(select(func.min(MailboxMinute.minute)))
    if oldest is None or oldest >= ends:
        return 0
    gone = delete(MailboxMinute).where(MailboxMinute.minute < min(ends, oldest + STEP))
    result: Any = db.session.execute(gone, execution_options={"synchronize_session": False})
    return int(result.rowcount)
