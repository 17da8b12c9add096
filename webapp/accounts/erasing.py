"""Removing a deleted workspace: everything that names it, a few hundred rows at a time, so that nobody waits behind a long transaction.

Which tables there are is read from the models, children before parents, so a later feature is covered by naming its workspace. The
audit log stays: it is append-only, and its last entry says who deleted the workspace.
"""

import time
from typing import Any

from sqlalchemy import Table, delete, func, select

from webapp.accounts.models import Membership, Workspace
from webapp.core.counters import Counter
from webapp.core.db import Base, db

DRAIN = "accounts.erase"
BATCH = 500
#: tables of the log, which outlives what it tells of
KEPT = frozenset({"audit_entries", "audit_heads", "audit_checkpoints"})


def numbers(workspace_id: int) -> dict[str, int]:
    """How much a workspace holds, by what a person calls it: members, then every exact total that is kept of it."""
    members = db.session.scalar(select(func.count()).select_from(Membership).where(Membership.workspace_id == workspace_id)) or 0
    rows = db.session.execute(
        select(Counter.name, Counter.number)
        .where(Counter.workspace_id == workspace_id, Counter.number > 0, Counter.name.in_(counted()))
        .order_by(Counter.number.desc(), Counter.name)
    )
    return {"members": members, **{row.name.removeprefix("api_"): row.number for row in rows}}


def counted() -> list[str]:
    """The totals that are kept of whole tables; further ones are parts of these."""
    return [table.name for table in Base.metadata.sorted_tables]


def tables() -> list[Table]:
    """Every table whose rows belong to a workspace, children before parents. A row that only points at one (a session) stays."""
    found = [table for table in reversed(Base.metadata.sorted_tables) if "workspace_id" in table.c and table.name not in KEPT]
    return [table for table in found if not any(key.ondelete == "SET NULL" for key in table.c.workspace_id.foreign_keys)]


def has_due() -> bool:
    return db.session.scalar(select(Workspace.id).where(Workspace.deleted_at.is_not(None)).limit(1)) is not None


def work(until: float) -> bool:
    """Remove deleted workspaces in batches, each committed; True when none was left."""
    while time.monotonic() < until:
        workspace_id = db.session.scalar(select(Workspace.id).where(Workspace.deleted_at.is_not(None)).order_by(Workspace.id).limit(1))
        db.session.rollback()
        if workspace_id is None:
            return True
        if not erase(workspace_id, until):
            return False
    return False


def erase(workspace_id: int, until: float) -> bool:
    """Everything of one workspace, its own row last; False when the time was up before."""
    for table in tables():
        gone = BATCH
        while gone >= BATCH:
            if time.monotonic() >= until:
                return False
            gone = _erase_some(table, workspace_id)
            db.session.commit()
    db.session.execute(delete(Workspace).where(Workspace.id == workspace_id), execution_options={"synchronize_session": False})
    db.session.commit()
    return True


def _erase_some(table: Table, workspace_id: int) -> int:
    """returns how many rows went"""
    chosen = table.c.workspace_id == workspace_id
    if "id" in table.c:
        chosen = table.c.id.in_(select(table.c.id).where(chosen).limit(BATCH).scalar_subquery())
    result: Any = db.session.execute(table.delete().where(chosen))
    return int(result.rowcount)
