"""What was done to many picked rows at once, so that it can be followed and undone exactly.

    pick_changes   one order: pause these, delete those; how far it is
    pick_rows      one row of it: whether it was changed, and what it takes to change it back

    state:  running ──> done ──> undoing ──> undone
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, InWorkspace, Timestamps
from webapp.core.leases import Leased

STATES = ("running", "done", "undoing", "undone")
#: states of one row: not looked at yet, changed, left as it was, changed back, could not be changed back
WAITING, CHANGED, SKIPPED, BACK, STUCK = 0, 1, 2, 3, 4
UNFINISHED: Any = text("state IN ('running', 'undoing')")


class PickChange(InWorkspace, Timestamps, Leased, Base):
    """One order over many rows."""

    __tablename__ = "pick_changes"
    __table_args__ = (Index("ix_pick_changes_unfinished", "id", sqlite_where=UNFINISHED, postgresql_where=UNFINISHED),)
    id: Mapped[int] = mapped_column(primary_key=True)
    #: what the rows are: mailbox, message
    kind: Mapped[str]
    #: what is done to them: pause, delete
    action: Mapped[str]
    #: who gave the order; it is carried out with the rights that they have then
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    ip: Mapped[str | None]
    request_id: Mapped[str | None]
    #: one of STATES
    state: Mapped[str] = mapped_column(default="running")
    #: rows that were picked, changed, left as they were, and changed back
    total: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    undone: Mapped[int] = mapped_column(default=0)
    #: the first reason why a row was left as it was
    problem: Mapped[str | None]
    finished_at: Mapped[datetime | None]


class PickRow(Base):
    """One picked row."""

    __tablename__ = "pick_rows"
    change_id: Mapped[int] = mapped_column(ForeignKey("pick_changes.id", ondelete="CASCADE"), primary_key=True)
    row_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    #: WAITING, CHANGED, SKIPPED, BACK or STUCK
    state: Mapped[int] = mapped_column(default=WAITING)
    #: what it takes to change it back
    before: Mapped[dict[str, Any] | None]
