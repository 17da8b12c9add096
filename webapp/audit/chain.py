"""The hash chain: how an entry is hashed, linked at the end of its transaction, and verified.

    enqueue() ──▶ session.info["audit"] ──▶ before_commit: lock head, hash, insert, move head ──▶ commit

The link is made last, so that writers of one workspace wait for each other only for the length of a commit.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import event, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, SessionTransaction

from webapp.audit.models import AuditEntry, AuditHead
from webapp.core.db import db, utcnow

GENESIS = "0" * 64
HASHED = (
    "workspace_id", "position", "at", "actor_type", "actor_id", "actor_name", "token_id", "token_name", "token_last_four", "action",
    "target_type", "target_id", "target_name", "result", "reason", "before", "after", "ip", "request_id", "previous_hash",
)  # fmt: skip


def digest(values: dict[str, Any]) -> str:
    """Hex SHA-256 of an entry's columns in the fixed order of HASHED, times as UTC with microseconds."""
    row = [
        value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value := values[name], datetime) else value for name in HASHED
    ]
    return hashlib.sha256(orjson.dumps(row)).hexdigest()


def enqueue(values: dict[str, Any]) -> None:
    """Keep the columns of one entry for the end of the current transaction."""
    db.session.info.setdefault("audit", []).append(values)


@event.listens_for(Session, "before_commit")
def _link(session: Session) -> None:
    """Write what the transaction recorded. An exception here aborts the whole change."""
    if session.in_nested_transaction():
        return
    pending: list[dict[str, Any]] = session.info.pop("audit", [])
    if not pending:
        return
    session.flush()
    by_workspace: dict[int, list[dict[str, Any]]] = {}
    for values in pending:
        by_workspace.setdefault(values["workspace_id"], []).append(values)
    for workspace_id in sorted(by_workspace):
        _append(session, workspace_id, by_workspace[workspace_id])


@event.listens_for(Session, "after_transaction_create")
def _mark(session: Session, transaction: SessionTransaction) -> None:
    """A savepoint that is rolled back takes along what was recorded inside it, and nothing else."""
    if transaction.nested:
        session.info.setdefault("audit_marks", {})[transaction] = len(session.info.get("audit", []))


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, ended: SessionTransaction) -> None:
    if ended.nested:
        del session.info.get("audit", [])[session.info.get("audit_marks", {}).pop(ended, 0) :]
        return
    session.info.pop("audit", None)
    session.info.pop("audit_marks", None)


def _append(session: Session, workspace_id: int, entries: list[dict[str, Any]]) -> None:
    dialect_insert: Any = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    start = {"workspace_id": workspace_id, "count": 0, "last_id": 0, "hash": GENESIS}
    session.execute(dialect_insert(AuditHead).values(start).on_conflict_do_nothing(index_elements=["workspace_id"]))
    head = session.execute(
        select(AuditHead.count.label("number"), AuditHead.hash).where(AuditHead.workspace_id == workspace_id).with_for_update()
    ).one()
    position, previous, last_id = head.number, head.hash, 0
    for values in entries:
        position += 1
        values.update(position=position, at=utcnow(), previous_hash=previous)
        values["hash"] = previous = digest(values)
        last_id = session.execute(insert(AuditEntry).values(values).returning(AuditEntry.id)).scalar_one()
    session.execute(
        update(AuditHead).where(AuditHead.workspace_id == workspace_id).values(count=position, last_id=last_id, hash=previous),
        execution_options={"synchronize_session": False},
    )


@dataclass(frozen=True)
class Report:
    """What verifying one chain found; `first_bad_id` is None when the row itself is missing."""

    workspace_id: int
    count: int
    ok: bool
    first_bad_id: int | None = None
    first_bad_position: int | None = None
    reason: str | None = None


def verify(workspace_id: int) -> Report:
    """Walk one chain from its first entry to its head and name the first row that is not as it was written."""
    head = db.session.execute(
        select(AuditHead.count.label("number"), AuditHead.last_id, AuditHead.hash).where(AuditHead.workspace_id == workspace_id)
    ).first()
    expected, previous, last_id = 1, GENESIS, 0
    for row in _rows(workspace_id):
        problem = None
        if row.position != expected:
            problem = (
                f"entry {expected} of the chain is missing"
                if row.position > expected
                else f"position {row.position} stands twice or out of order"
            )
        elif row.previous_hash != previous:
            problem = "it does not follow from the entry before"
        elif digest(dict(row._mapping)) != row.hash:
            problem = "its content was changed after it was written"
        if problem:
            return Report(workspace_id, expected - 1, False, row.id, expected, problem)
        expected, previous, last_id = expected + 1, row.hash, row.id
    count = expected - 1
    if head is None:
        return Report(workspace_id, count, count == 0, None, None, None if count == 0 else "the head of the chain is missing")
    if head.number > count:
        return Report(
            workspace_id, count, False, None, expected, f"the last {head.number - count} entries are missing, from position {expected} on"
        )
    if head.hash != previous or head.last_id != last_id:
        return Report(workspace_id, count, False, last_id, count, "the head of the chain does not belong to this entry")
    return Report(workspace_id, count, True)


def verify_all() -> list[Report]:
    """Every chain of the installation."""
    known = set(db.session.scalars(select(AuditHead.workspace_id))) | set(db.session.scalars(select(AuditEntry.workspace_id).distinct()))
    return [verify(workspace_id) for workspace_id in sorted(known)]


def _rows(workspace_id: int) -> Iterator[Any]:
    """The entries of a chain by id, a thousand at a time; their order by id must be that of their positions."""
    after = 0
    columns = [AuditEntry.id, AuditEntry.hash, *[getattr(AuditEntry, name) for name in HASHED]]
    while True:
        rows = list(
            db.session.execute(
                select(*columns).where(AuditEntry.workspace_id == workspace_id, AuditEntry.id > after).order_by(AuditEntry.id).limit(1000)
            )
        )
        yield from rows
        if len(rows) < 1000:
            return
        after = rows[-1].id
