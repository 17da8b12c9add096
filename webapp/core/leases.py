"""Claiming rows: whoever holds a lease works on the row, nobody else; a lease that ran out is taken over.

Each claimable table has `lease_until` and `lease_owner` (mixin `Leased`). Claims are one statement, so two workers never get the
same row: SKIP LOCKED on PostgreSQL, the write lock on SQLite.
"""

import os
import socket
import uuid
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, database_now, db, is_sqlite

Row = TypeVar("Row", bound=Base)


class Leased:
    #: until when the holder may work on the row; NULL or past: free
    lease_until: Mapped[datetime | None] = mapped_column(default=None)
    #: who holds it: host, process and a random part
    lease_owner: Mapped[str | None] = mapped_column(default=None)


def new_owner() -> str:
    """A name for one batch of claims."""
    return f"{socket.gethostname()[:40]}/{os.getpid()}/{uuid.uuid4().hex[:12]}"


def free(model: Any, now: datetime) -> ColumnElement[bool]:
    return or_(model.lease_until.is_(None), model.lease_until < now)


def claim(model: type[Row], due: ColumnElement[bool], *, limit: int, lease_s: float, order: Any, owner: str | None = None) -> list[int]:
    """Take up to `limit` free rows that are due; commit afterwards, before any work is done.

    returns the ids, in the order given
    """
    table: Any = model
    now = database_now()
    chosen = select(table.id).where(due, free(model, now)).order_by(order).limit(limit)
    if not is_sqlite():
        chosen = chosen.with_for_update(skip_locked=True)
    ids = list(db.session.scalars(chosen))
    if ids:
        values = {"lease_until": now + timedelta(seconds=lease_s), "lease_owner": owner or new_owner()}
        db.session.execute(update(model).where(table.id.in_(ids)).values(values), execution_options={"synchronize_session": False})
    return ids


def extend(model: type[Row], ids: list[int], owner: str, lease_s: float) -> int:
    """Hold on to rows that are still ours; returns how many are."""
    table: Any = model
    held = update(model).where(table.id.in_(ids), table.lease_owner == owner)
    result: Any = db.session.execute(
        held.values(lease_until=database_now() + timedelta(seconds=lease_s)), execution_options={"synchronize_session": False}
    )
    return int(result.rowcount)
