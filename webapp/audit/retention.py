"""How long the log of a workspace is kept: for ever, unless an owner says otherwise.

What is too old goes from the front of the chain, never from its middle: first a signed checkpoint says up to where, then the entries go in
batches, and the head remembers the hash from which the kept rest follows. So `audit verify` is content from the first kept entry on, and
still names whoever removes anything else.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from webapp.audit import chain, checkpoints, names, service
from webapp.audit.checkpoints import Checkpoint
from webapp.audit.models import AuditEntry, AuditHead
from webapp.audit.search import newest_before
from webapp.audit.service import LOG
from webapp.core.actor import Actor
from webapp.core.db import begin_writing, db, utcnow
from webapp.core.errors import invalid

log = logging.getLogger("mailroom.audit")
#: whoever wants to hide something must not be able to do it within a month
LEAST_DAYS, MOST_DAYS = 30, 36_500
BATCH = 500


def head_of(actor: Actor) -> AuditHead:
    """What is known of the chain of the actor's workspace: counts, retention, the last checkpoint and verification."""
    actor.require("audit:read")
    found = db.session.get(AuditHead, actor.workspace_id, populate_existing=True)
    if found is not None:
        return found
    return AuditHead(
        workspace_id=actor.workspace_id, count=0, last_id=0, hash=chain.GENESIS, cut_position=0, cut_hash=chain.GENESIS, checkpoint_count=0,
        verified_position=0, set_back_us=0, **dict.fromkeys(chain.KINDS, 0),
    )  # fmt: skip


def keeping(actor: Actor) -> dict[str, Any]:
    """The same in the words of the API."""
    head = head_of(actor)
    return {
        "keep_days": head.keep_days, "entries": head.kept, "removed": head.cut_position, "removed_at": head.cut_at,
        "checkpoint_entries": head.checkpoint_count, "checkpoint_at": head.checkpoint_at, "verified_at": head.verified_at,
        "fault": head.fault,
    }  # fmt: skip


def set_keep_days(actor: Actor, days: int | None) -> None:
    """Keep entries for so many days; None for ever. What is older goes within the hour, and does not come back.

    raises Invalid below LEAST_DAYS or above MOST_DAYS; Forbidden below owner
    """
    actor.require("audit:write")
    if days is not None and not LEAST_DAYS <= days <= MOST_DAYS:
        raise invalid("keep_days", f"Keep entries for {LEAST_DAYS} to {MOST_DAYS:,} days, or for ever.")
    before = chain.lock_head(db.session, actor.workspace_id).keep_days
    if before != days:
        changed = update(AuditHead).where(AuditHead.workspace_id == actor.workspace_id).values(keep_days=days)
        db.session.execute(changed, execution_options={"synchronize_session": False})
        service.record(actor, "audit.retention", LOG, before={"keep_days": before}, after={"keep_days": days})


def would_go(actor: Actor, days: int) -> int:
    """How many of the entries that there are now are older than so many days: what a shorter retention removes."""
    actor.require("audit:read")
    last = _last_to_go(actor.workspace_id, utcnow() - timedelta(days=days))
    return max(0, last.position - head_of(actor).cut_position) if last else 0


def cut_due(now: datetime | None = None) -> int:
    """Remove from every chain what its workspace does not keep; says how many entries went."""
    now = now or utcnow()
    limited = db.session.execute(select(AuditHead.workspace_id, AuditHead.keep_days).where(AuditHead.keep_days.is_not(None))).all()
    db.session.rollback()
    return sum(cut(workspace_id, now - timedelta(days=days)) for workspace_id, days in limited if days is not None)


def cut(workspace_id: int, before: datetime) -> int:
    """Remove what was written before a moment from the front of one chain; committed batch by batch. Says how many entries went.

    An entry stays as long as one before it in the chain is young enough, so a clock that was wrong once keeps too much, never too little.
    """
    begin_writing()
    last = _last_to_go(workspace_id, before)
    head = db.session.get(AuditHead, workspace_id, populate_existing=True)
    if last is None or head is None or last.position <= head.cut_position:
        db.session.rollback()
        return 0
    chain.lock_head(db.session, 0)
    checkpoints.add([Checkpoint(workspace_id, last.id, last.position, last.hash, utcnow(), checkpoints.CUT)])
    _tell(workspace_id, before, head.cut_position + 1, last.position)
    db.session.commit()
    gone = 0
    while removed := _cut_batch(workspace_id, last.position):
        gone += removed
        db.session.commit()
    db.session.rollback()
    return gone


def _last_to_go(workspace_id: int, before: datetime) -> Any:
    """The newest entry of the part of the chain that is wholly older, as (id, position, hash); None when there is none."""
    back_us = db.session.scalar(select(AuditHead.set_back_us).where(AuditHead.workspace_id == workspace_id)) or 0
    entry_id = newest_before(workspace_id, before, timedelta(microseconds=back_us))
    if entry_id is None:
        return None
    return db.session.execute(select(AuditEntry.id, AuditEntry.position, AuditEntry.hash).where(AuditEntry.id == entry_id)).one()


def _cut_batch(workspace_id: int, up_to: int) -> int:
    """The next entries at the front, in one transaction with what the head says of them."""
    head = chain.lock_head(db.session, workspace_id)
    wanted = (
        AuditEntry.id, AuditEntry.workspace_id, AuditEntry.position, AuditEntry.hash, AuditEntry.actor_type, AuditEntry.result,
        AuditEntry.actor_name, AuditEntry.token_name, AuditEntry.target_name,
    )  # fmt: skip
    rows = db.session.execute(
        select(*wanted)
        .where(AuditEntry.workspace_id == workspace_id, AuditEntry.position > head.cut_position, AuditEntry.position <= up_to)
        .order_by(AuditEntry.position)
        .limit(BATCH)
    ).all()
    if not rows:
        return 0
    names.drop(rows)
    db.session.execute(
        delete(AuditEntry).where(AuditEntry.id.in_([row.id for row in rows])), execution_options={"synchronize_session": False}
    )
    counted = dict.fromkeys(chain.KINDS, 0)
    for row in rows:
        for kind in chain.kinds_of(row.actor_type, row.result):
            counted[kind] += 1
    changed = {kind: getattr(AuditHead, kind) - number for kind, number in counted.items() if number}
    db.session.execute(
        update(AuditHead)
        .where(AuditHead.workspace_id == workspace_id)
        .values(cut_position=rows[-1].position, cut_hash=rows[-1].hash, cut_at=utcnow(), **changed),
        execution_options={"synchronize_session": False},
    )
    return len(rows)


def _tell(workspace_id: int, before: datetime, first: int, last: int) -> None:
    """The log itself says what it loses, and so does the log of the process."""
    after = {"first_position": first, "last_position": last, "removed": last - first + 1, "written_before": before}
    service.record(Actor.system(workspace_id, "Retention"), "audit.cut", LOG, after=after)
    moment = f"{before:%Y-%m-%d %H:%M} UTC"
    log.info("audit log: removing entries %s to %s, written before %s", first, last, moment, extra={"workspace_id": workspace_id})
