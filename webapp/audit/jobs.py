"""Housekeeping of the log: a signed checkpoint a day, retention, and the walk along the chain that a page asked for."""

import time

from sqlalchemy import select

from webapp.audit import checkpoints, retention, walks
from webapp.audit.models import AuditHead
from webapp.core.db import db
from webapp.core.queue import drain, every


@every(600, "audit.checkpoints")
def write_checkpoints() -> None:
    """The first run of a day (UTC) signs how long every chain is that grew; later ones only those that grew for the first time."""
    checkpoints.write_due()


@every(3600, "audit.retention")
def remove_old() -> None:
    """Entries that a workspace does not keep go from the front of its chain."""
    retention.cut_due()


def is_asked() -> bool:
    return db.session.scalar(select(AuditHead.workspace_id).where(AuditHead.verify_asked_at.is_not(None)).limit(1)) is not None


@drain("audit.verify", queue="default", due=is_asked)
def verify_asked(until: float) -> bool:
    """Walk along the chains that somebody asked about, a piece at a time."""
    while time.monotonic() < until:
        if not walks.one_piece(until):
            return True
    return False
