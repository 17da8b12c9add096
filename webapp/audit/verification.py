"""Reading the chain back: is the log as it was written, from its first kept entry to its end, and does it hold what was signed?

Three witnesses must agree: the entries, each of which follows from the one before; the head of the chain; and the signed checkpoints
outside of the database, which know how long a chain was on a day when entries and head are both cut.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from webapp.audit import checkpoints
from webapp.audit.chain import GENESIS, HASHED, digest, family_of
from webapp.audit.checkpoints import Checkpoint
from webapp.audit.models import AuditEntry, AuditHead
from webapp.core.db import db

BATCH = 1000


@dataclass(frozen=True)
class Report:
    """What verifying one chain found; `first_bad_id` is None when the row itself is missing."""

    workspace_id: int
    #: the position of the last entry that is as it was written; entries that retention removed count as such
    count: int
    ok: bool
    first_bad_id: int | None = None
    first_bad_position: int | None = None
    reason: str | None = None
    #: how many entries retention removed from the front, and how many signed checkpoints the chain was compared with
    removed: int = 0
    checkpoints: int = 0
    #: False when the time was up before the end of the chain; `count` says where to go on
    finished: bool = True


@dataclass
class Walk:
    """Where a walk along one chain stands."""

    workspace_id: int
    head: AuditHead | None
    signed: dict[int, list[Checkpoint]] = field(default_factory=lambda: defaultdict(list))
    position: int = 0
    previous: str = GENESIS
    last_id: int = 0
    compared: int = 0

    def report(
        self, ok: bool, bad_id: int | None = None, bad_position: int | None = None, reason: str | None = None, finished: bool = True
    ) -> Report:
        removed = self.head.cut_position if self.head else 0
        return Report(self.workspace_id, self.position, ok, bad_id, bad_position, reason, removed, self.compared, finished)


def verify(workspace_id: int, signed: list[Checkpoint] | None = None, *, start: int = 0, until: float | None = None) -> Report:
    """Walk one chain from its first kept entry to its head and name the first row that is not as it was written.

    signed  the checkpoints of this chain; by default they are read from the blob store
    start   the position up to which an earlier walk found all well
    until   the time (monotonic seconds) at which to stop for now, with `finished` False; a batch is walked in any case
    """
    if signed is None:
        signed = [one for one in checkpoints.read_all().signed if one.workspace_id == workspace_id]
    walk = Walk(workspace_id, db.session.get(AuditHead, workspace_id, populate_existing=True))
    for one in signed:
        walk.signed[one.count].append(one)
    if walk.head is not None and walk.head.cut_position:
        problem = _front(walk, walk.head, signed)
        if problem:
            return walk.report(False, None, 1, problem)
        walk.position, walk.previous = walk.head.cut_position, walk.head.cut_hash
    if start > walk.position:
        _go_on(walk, start)
    for number, row in enumerate(_rows(workspace_id, walk.last_id)):
        if until is not None and number and number % BATCH == 0 and time.monotonic() >= until:
            return walk.report(True, finished=False)
        problem = _step(walk, row)
        if problem:
            return walk.report(False, row.id, walk.position + 1, problem)
        walk.position, walk.previous, walk.last_id = walk.position + 1, row.hash, row.id
    return _end(walk)


def _go_on(walk: Walk, start: int) -> None:
    """Begin behind an entry that was looked at before; one that is gone by now leaves the walk at the front."""
    at = AuditEntry.workspace_id == walk.workspace_id, AuditEntry.position == start
    row = db.session.execute(select(AuditEntry.id, AuditEntry.hash).where(*at)).first()
    if row is not None:
        walk.position, walk.previous, walk.last_id = start, row.hash, row.id


def _front(walk: Walk, head: AuditHead, signed: list[Checkpoint]) -> str | None:
    """Entries are missing at the front: was that retention, which signs what it removes before it does?"""
    for one in signed:
        if one.kind == checkpoints.CUT and one.count >= head.cut_position:
            walk.compared += 1
            if one.count == head.cut_position and one.hash != head.cut_hash:
                return "the kept rest does not follow from what was removed"
            return None
    return f"the first {head.cut_position} entries were removed, and no signed checkpoint says that retention did it"


def _step(walk: Walk, row: Any) -> str | None:
    """What is wrong with the next row, if anything."""
    expected = walk.position + 1
    if row.position > expected:
        return f"entry {expected} of the chain is missing"
    if row.position < expected:
        return f"position {row.position} stands twice or out of order"
    if row.previous_hash != walk.previous:
        return "it does not follow from the entry before"
    if digest(dict(row._mapping)) != row.hash or row.family != family_of(row.action):
        return "its content was changed after it was written"
    for one in walk.signed.get(expected, ()):
        walk.compared += 1
        if (one.hash, one.last_id) != (row.hash, row.id):
            return f"it is not the entry that the checkpoint of {one.at:%Y-%m-%d %H:%M} UTC signed"
    return None


def _end(walk: Walk) -> Report:
    """The walk met no bad row: is the chain as long as the checkpoints and its head say?"""
    count, head = walk.position, walk.head
    beyond = [one for position, some in sorted(walk.signed.items()) if position > count for one in some]
    if beyond:
        first = beyond[-1]
        missing = f"the last {first.count - count} entries are missing, from position {count + 1} on"
        return walk.report(False, None, count + 1, f"{missing}: the checkpoint of {first.at:%Y-%m-%d %H:%M} UTC names {first.count}")
    if head is None:
        return walk.report(count == 0, None, None, None if count == 0 else "the head of the chain is missing")
    if head.count > count:
        return walk.report(False, None, count + 1, f"the last {head.count - count} entries are missing, from position {count + 1} on")
    # Of a chain whose every entry was removed by retention no row is left to compare the id of the head with.
    if head.hash != walk.previous or (walk.last_id and head.last_id != walk.last_id):
        return walk.report(False, walk.last_id or None, count, "the head of the chain does not belong to this entry")
    if head.checkpoint_count and not any(position >= head.checkpoint_count for position in walk.signed):
        return walk.report(False, None, None, "its last signed checkpoint is missing in the blob store, or no listed key made it")
    return walk.report(True)


def verify_all() -> tuple[list[Report], checkpoints.Found]:
    """Every chain of the installation, and what the files of checkpoints held."""
    found = checkpoints.read_all()
    signed: dict[int, list[Checkpoint]] = defaultdict(list)
    for one in found.signed:
        signed[one.workspace_id].append(one)
    known = set(db.session.scalars(select(AuditHead.workspace_id))) | set(db.session.scalars(select(AuditEntry.workspace_id).distinct()))
    return [verify(workspace_id, signed[workspace_id]) for workspace_id in sorted(known | set(signed))], found


def _rows(workspace_id: int, after: int) -> Iterator[Any]:
    """The entries of a chain behind an id, a thousand at a time; their order by id must be that of their positions."""
    columns = [AuditEntry.id, AuditEntry.hash, AuditEntry.family, *[getattr(AuditEntry, name) for name in HASHED]]
    while True:
        rows = list(
            db.session.execute(
                select(*columns).where(AuditEntry.workspace_id == workspace_id, AuditEntry.id > after).order_by(AuditEntry.id).limit(BATCH)
            )
        )
        yield from rows
        if len(rows) < BATCH:
            return
        after = rows[-1].id
