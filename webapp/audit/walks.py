"""Verifying a chain because a page asked for it: in the background, a piece at a time, going on where a worker left off."""

import time

from sqlalchemy import select, update

from webapp.audit import chain, service, verification
from webapp.audit.models import AuditHead
from webapp.audit.service import LOG
from webapp.core import live, queue
from webapp.core.actor import Actor
from webapp.core.db import begin_reading, begin_writing, db, utcnow

PIECE_S = 2.0


def ask(actor: Actor) -> None:
    """Have the chain of the workspace walked from its first kept entry; one walk at a time.

    raises Forbidden below owner
    """
    actor.require("audit:write")
    if chain.lock_head(db.session, actor.workspace_id).verify_asked_at is not None:
        return
    _change(actor.workspace_id, verify_asked_at=utcnow(), verified_position=0)
    service.record(actor, "audit.verify", LOG)
    queue.ring("audit.verify")


def one_piece(until: float) -> bool:
    """The next piece of the walk that was asked for first; False when none is left. Nothing is locked while it walks."""
    begin_reading()
    asked = select(AuditHead.workspace_id, AuditHead.verified_position).where(AuditHead.verify_asked_at.is_not(None))
    found = db.session.execute(asked.order_by(AuditHead.verify_asked_at).limit(1)).first()
    if found is None:
        db.session.rollback()
        begin_writing()
        return False
    ends = min(until, time.monotonic() + PIECE_S)
    report = verification.verify(found.workspace_id, start=found.verified_position, until=ends)
    db.session.rollback()
    begin_writing()
    if report.finished:
        fault = None if report.ok else told(report)
        _change(found.workspace_id, verify_asked_at=None, verified_at=utcnow(), verified_position=report.count, fault=fault)
    else:
        _change(found.workspace_id, verified_position=report.count)
    live.notify(found.workspace_id, "audit-verified")
    db.session.commit()
    return True


def told(report: verification.Report) -> str:
    """What a walk found, in one sentence."""
    where = f"Entry {report.first_bad_id}" if report.first_bad_id is not None else f"After entry number {report.count:,}"
    return f"{where}: {report.reason}."


def _change(workspace_id: int, **values: object) -> None:
    changed = update(AuditHead).where(AuditHead.workspace_id == workspace_id).values(**values)
    db.session.execute(changed, execution_options={"synchronize_session": False})
