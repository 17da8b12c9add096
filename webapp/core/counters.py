"""Exact totals without counting: one row per workspace and table, kept by the transaction that changes the table.

A model that carries `Counted` is counted by itself (rows in the trash are not); bulk statements call `bump`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Index, UniqueConstraint, event, inspect, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.core.db import Base, db
from webapp.core.fast_rows import Statement


class Counter(Base):
    """How many rows of one kind a workspace has."""

    __tablename__ = "counters"
    __table_args__ = (UniqueConstraint("workspace_id", "name"), Index("ix_counters_name", "name"))
    id: Mapped[int] = mapped_column(primary_key=True)
    #: whose rows
    workspace_id: Mapped[int]
    #: table name, with a qualifier where one table has several counts
    name: Mapped[str]
    #: the exact number
    number: Mapped[int]


class Counted:
    """Marks a model in a workspace whose total is kept."""


def read(workspace_id: int, name: str) -> int:
    found = db.session.scalar(select(Counter.number).where(Counter.workspace_id == workspace_id, Counter.name == name))
    return found or 0


def read_many(workspace_id: int, names: list[str]) -> dict[str, int]:
    rows = db.session.execute(select(Counter.name, Counter.number).where(Counter.workspace_id == workspace_id, Counter.name.in_(names)))
    return {**dict.fromkeys(names, 0), **{row.name: row.number for row in rows}}


def read_all(names: list[str], workspace_ids: Iterable[int]) -> dict[str, int]:
    """Counters of several workspaces whose names are unique among them, such as those of mailboxes."""
    wanted = Counter.workspace_id.in_(set(workspace_ids)), Counter.name.in_(names)
    rows = db.session.execute(select(Counter.name, Counter.number).where(*wanted))
    return {**dict.fromkeys(names, 0), **{row.name: row.number for row in rows}}


def bump(workspace_id: int, name: str, by: int = 1, session: Any = None) -> None:
    """Add to a counter within the current transaction."""
    if by:
        bump_many({(workspace_id, name): by}, session)


def bump_many(sums: Mapping[tuple[int, str], int], session: Any = None) -> None:
    """Add to several counters, (workspace, name) -> number: one statement, always in the same order, so that nobody waits in a ring."""
    rows = [{"workspace_id": workspace_id, "name": name, "number": by} for (workspace_id, name), by in sorted(sums.items()) if by]
    if not rows:
        return
    _upsert.many(rows, session)


def _make_upsert(dialect: str) -> Any:
    table: Any = Counter.__table__
    new: Any = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    return new.on_conflict_do_update(index_elements=["workspace_id", "name"], set_={"number": table.c.number + new.excluded.number})


_upsert = Statement(_make_upsert)


@event.listens_for(Session, "before_flush")
def _count(session: Session, _context: Any, _instances: Any) -> None:
    changes: dict[tuple[int, str], int] = {}

    def note(row: Any, by: int) -> None:
        key = (row.workspace_id, row.__tablename__)
        changes[key] = changes.get(key, 0) + by

    for row in session.new:
        if isinstance(row, Counted) and getattr(row, "deleted_at", None) is None:
            note(row, 1)
    for row in session.deleted:
        if isinstance(row, Counted) and getattr(row, "deleted_at", None) is None:
            note(row, -1)
    for row in session.dirty:
        if isinstance(row, Counted) and hasattr(row, "deleted_at"):
            history = inspect(row).attrs.deleted_at.history
            if history.has_changes() and history.deleted:
                was, now = history.deleted[0] is not None, row.deleted_at is not None
                note(row, int(was) - int(now))
    for (workspace_id, name), by in sorted(changes.items()):
        with session.no_autoflush:
            bump(workspace_id, name, by, session)
