"""Writing to the event stream: part of the transaction in which the thing happens, one statement for all of it, at its end.

    note("received", workspace_id=…, message_id=…, …)    one
    note_many(rows)                                      many, as dictionaries with the names of the columns
    note_rows_of(select)                                 copied by the database itself, for rows that it has anyway

What a savepoint that is rolled back noted is forgotten with it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, event, insert
from sqlalchemy.orm import Session, SessionTransaction

from webapp.core.bulk import insert_rows
from webapp.core.db import db, utcnow
from webapp.happenings.models import TYPES, Event

#: what a row may leave out
EMPTY: dict[str, Any] = {
    "delivery_id": None, "outgoing_id": None, "message_id": None, "mailbox_id": None, "recipient": None,
    "campaign_id": None, "contact_id": None, "stream": None, "details": None,
}  # fmt: skip
#: the columns that `note_rows_of` fills, in the order in which its select names them
COLUMNS = ("workspace_id", "at", "type", *EMPTY)
_NOTED, _MARKS = "happenings", "happenings-marks"
_TABLE: Any = Event.__table__


def note(type: str, *, workspace_id: int, at: datetime | None = None, **more: Any) -> None:
    """One event; `more` are columns of `Event`. It is written when the transaction commits."""
    note_many([{"type": type, "workspace_id": workspace_id, "at": at or utcnow(), **more}])


def note_many(rows: Iterable[Mapping[str, Any]]) -> None:
    """Events as dictionaries: type, workspace_id and at, and of the other columns what there is. raises ValueError for an unknown type"""
    noted: list[dict[str, Any]] = db.session.info.setdefault(_NOTED, [])
    if not noted:
        db.session.connection()  # the transaction begins, so that its end is told
    for row in rows:
        if row["type"] not in TYPES:
            raise ValueError(f"there is no event type {row['type']!r}")
        noted.append({**EMPTY, **row})


def note_rows_of(rows: Select[Any]) -> None:
    """Events for rows that the database has: a SELECT of COLUMNS in their order. It is written at once."""
    db.session.execute(insert(_TABLE).from_select(list(COLUMNS), rows))


def add(type: str, *, workspace_id: int, at: datetime | None = None, **more: Any) -> int:
    """One event, written at once; returns its id, for rows that point at it."""
    note(type, workspace_id=workspace_id, at=at, **more)
    row = db.session.info[_NOTED].pop()
    return int(db.session.execute(insert(_TABLE).returning(_TABLE.c.id), [row]).scalar_one())


def write_noted() -> None:
    """Write what was noted so far, for those who are going to read it in the same transaction."""
    noted: list[dict[str, Any]] = db.session.info.pop(_NOTED, [])
    insert_rows(Event, COLUMNS, [[row[name] for name in COLUMNS] for row in noted])


@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    if session.in_nested_transaction():
        return
    session.flush()  # what is written now may note more
    if session.info.get(_NOTED):
        write_noted()


@event.listens_for(Session, "after_transaction_create")
def _mark(session: Session, transaction: SessionTransaction) -> None:
    if transaction.nested:
        session.info.setdefault(_MARKS, {})[transaction] = len(session.info.get(_NOTED, ()))


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, previous: SessionTransaction) -> None:
    if previous.nested:
        del session.info.get(_NOTED, [])[session.info.get(_MARKS, {}).pop(previous, 0) :]
    elif previous.parent is None:
        session.info.pop(_NOTED, None)


@event.listens_for(Session, "after_transaction_end")
def _unmark(session: Session, transaction: SessionTransaction) -> None:
    """A savepoint ends before it is told as rolled back, so marks are kept as long as the transaction around it."""
    if transaction.parent is None:
        session.info.pop(_MARKS, None)
