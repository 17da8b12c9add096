"""Signed checkpoints: how long each chain was on a day and what its last entry was, kept outside of the database.

    {"workspace_id", "last_id", "count", "hash", "at", "kind": daily | cut, "signature"}

One line of JSON each, in a file per day in the blob store (`audit/checkpoints/2026-11-21.jsonl`, lines are added and never changed) and in
the log of the process. The signature is an HMAC under a key that comes from MAILROOM_SECRET_KEY; what an older key signed is good as long
as that key is listed. Somebody who cuts the log and its head in the database cannot cut what the checkpoints say.

A checkpoint `cut` is written before retention removes entries: it allows a chain to begin after the position that it names.
"""

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import or_, select, update

from webapp.audit import chain
from webapp.audit.models import AuditHead
from webapp.core import signed_lines
from webapp.core.blobs import BlobMissing, blobs
from webapp.core.db import begin_writing, db, utcnow

log = logging.getLogger("mailroom.audit")
FOLDER = "audit/checkpoints"
PURPOSE = "audit-checkpoint"
DAILY, CUT = "daily", "cut"


@dataclass(frozen=True)
class Checkpoint:
    """Chain `workspace_id` had `count` entries, the last one with this id and hash."""

    workspace_id: int
    last_id: int
    count: int
    hash: str
    at: datetime
    kind: str

    def payload(self) -> dict[str, Any]:
        return {
            "workspace_id": self.workspace_id, "last_id": self.last_id, "count": self.count, "hash": self.hash,
            "at": self.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "kind": self.kind,
        }  # fmt: skip

    def line(self) -> bytes:
        """Its line in the file, signed with the newest key."""
        return signed_lines.signed(PURPOSE, self.payload())


@dataclass
class Found:
    """What the files hold. `doubtful` names the lines ("2026-11-21 line 3") that no listed key signed."""

    signed: list[Checkpoint] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)


def write_due(now: datetime | None = None) -> int:
    """Write the day's checkpoint of every chain that grew since its last one; says how many. Committed when it returns."""
    now = now or utcnow()
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    due = AuditHead.count > AuditHead.checkpoint_count, or_(AuditHead.checkpoint_at.is_(None), AuditHead.checkpoint_at < today)
    if db.session.scalar(select(AuditHead.workspace_id).where(*due).limit(1)) is None:
        db.session.rollback()
        return 0
    db.session.rollback()
    begin_writing()
    chain.lock_head(db.session, 0)  # two schedulers add to the same file one after the other
    columns = (AuditHead.workspace_id, AuditHead.last_id, AuditHead.count.label("number"), AuditHead.hash)
    heads = db.session.execute(select(*columns).where(*due).order_by(AuditHead.workspace_id).with_for_update()).all()
    points = [Checkpoint(head.workspace_id, head.last_id, head.number, head.hash, now, DAILY) for head in heads]
    add(points)
    for point in points:
        head = update(AuditHead).where(AuditHead.workspace_id == point.workspace_id)
        db.session.execute(
            head.values(checkpoint_count=point.count, checkpoint_at=now), execution_options={"synchronize_session": False}
        )
    db.session.commit()
    return len(points)


def add(points: list[Checkpoint]) -> None:
    """Put checkpoints at the end of their day's file and into the log of the process. The caller holds the head of chain 0 locked."""
    for day in sorted({point.at.astimezone(UTC).date() for point in points}):
        key = f"{FOLDER}/{day.isoformat()}.jsonl"
        lines = [point.line() for point in points if point.at.astimezone(UTC).date() == day]
        blobs().put(key, b"".join([_held(key), *[line + b"\n" for line in lines]]))
        for line in lines:
            log.info("checkpoint of the audit log: %s", line.decode())


def _held(key: str) -> bytes:
    try:
        return blobs().get(key)
    except BlobMissing:
        return b""


def read_all() -> Found:
    """Every checkpoint of the installation, oldest first. raises Unavailable while the blob store cannot be read"""
    found = Found()
    for key in blobs().keys(FOLDER):
        for number, line in enumerate(_held(key).splitlines(), 1):
            point = read_line(line)
            if point is None:
                found.doubtful.append(f"{key.rpartition('/')[2].removesuffix('.jsonl')} line {number}")
            else:
                found.signed.append(point)
    return found


def read_line(line: bytes) -> Checkpoint | None:
    """None for a line that is damaged, or that none of our keys signed."""
    values = signed_lines.verified(PURPOSE, line)
    try:
        return None if values is None else Checkpoint(**{**values, "at": datetime.fromisoformat(values["at"])})
    except (KeyError, TypeError, ValueError):
        return None

