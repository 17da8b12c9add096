"""The hash chain: how an entry is hashed and linked at the end of its transaction. `audit.verification` reads it back.

    enqueue() ──▶ session.info["audit"] ──▶ before_commit: lock head, hash, insert, index, move head ──▶ commit ──▶ open pages hear of it

The link is made last, so that writers of one workspace wait for each other only for the length of a commit.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, Row, bindparam, event, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, SessionTransaction

from webapp.audit import names
from webapp.audit.models import AuditEntry, AuditHead
from webapp.core import live
from webapp.core.db import db, utcnow

GENESIS = "0" * 64
#: what open pages hear after the commit; each at most once a second (`core.streams`)
CHANGED = "audit-changed"
MICROSECOND = timedelta(microseconds=1)
#: what the head counts of the kept entries
KINDS = ("by_user", "by_token", "by_mailbox", "by_system", "refused")
HEADS: Any = AuditHead.__table__
ENTRIES: Any = AuditEntry.__table__
LOCKED = (
    select(HEADS.c.count.label("number"), *[column for column in HEADS.c if column.name != "count"])
    .where(HEADS.c.workspace_id == bindparam("whose"))
    .with_for_update()
)
_EMPTY = {
    "count": 0, "last_id": 0, "hash": GENESIS, "cut_position": 0, "cut_hash": GENESIS, "set_back_us": 0, "checkpoint_count": 0,
    "verified_position": 0, **dict.fromkeys(KINDS, 0),
}  # fmt: skip
START_SQLITE, START_POSTGRES = (
    dialect.insert(HEADS)
    .values(workspace_id=bindparam("workspace_id"), **_EMPTY)
    .on_conflict_do_nothing(index_elements=["workspace_id"])
    for dialect in (sqlite, postgresql)
)
ADD = insert(ENTRIES).returning(ENTRIES.c.id)
MOVE = (
    update(HEADS)
    .where(HEADS.c.workspace_id == bindparam("whose"))
    .values(
        count=bindparam("at_position"), last_id=bindparam("at_id"), hash=bindparam("at_hash"), latest_at=bindparam("at_latest"),
        set_back_us=bindparam("at_back"), **{kind: HEADS.c[kind] + bindparam(f"add_{kind}") for kind in KINDS},
    )
)  # fmt: skip
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


def lock_head(session: Any, workspace_id: int) -> Row[Any]:
    """The end of a chain, made when there is none, locked until the transaction ends."""
    connection: Connection = session.connection()
    head = connection.execute(LOCKED, {"whose": workspace_id}).first()
    if head is None:
        connection.execute(START_POSTGRES if connection.dialect.name == "postgresql" else START_SQLITE, {"workspace_id": workspace_id})
        head = connection.execute(LOCKED, {"whose": workspace_id}).one()
    return head


def _append(session: Session, workspace_id: int, entries: list[dict[str, Any]]) -> None:
    """Every change of the product pays for this: statements that are made once, on the connection itself."""
    head, connection = lock_head(session, workspace_id), session.connection()
    position, previous, last_id = head.number, head.hash, 0
    latest, back_us = head.latest_at, head.set_back_us
    added = dict.fromkeys(KINDS, 0)
    for values in entries:
        position += 1
        at = utcnow()
        values.update(position=position, at=at, previous_hash=previous, family=family_of(values["action"]))
        values["hash"] = previous = digest(values)
        last_id = connection.execute(ADD, values).scalar_one()
        names.put(connection, last_id, values)
        latest = at if latest is None else max(latest, at)
        back_us = max(back_us, (latest - at) // MICROSECOND)
        for kind in kinds_of(values["actor_type"], values["result"]):
            added[kind] += 1
    moved = {"at_position": position, "at_id": last_id, "at_hash": previous, "at_latest": latest, "at_back": back_us}
    connection.execute(MOVE, {"whose": workspace_id, **moved, **{f"add_{kind}": number for kind, number in added.items()}})
    live.notify(workspace_id, CHANGED)


def family_of(action: str) -> str:
    """`route` for `route.create`."""
    return action.partition(".")[0]


def kinds_of(actor_type: str, result: str) -> list[str]:
    """Which numbers of the head an entry counts in."""
    return [kind for kind in (f"by_{actor_type}", "refused" if result == "refused" else "") if kind in KINDS]
