"""Who of these people gets no mail? One query for as many as one mail may have, and nothing per person."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select

from webapp.core.bulk import among
from webapp.core.db import db
from webapp.suppressions.hashes import hashes_of
from webapp.suppressions.models import REASONS, Suppression

#: hashes in one query: SQLite takes at most 32,766 parameters
CHUNK = 5000
#: of several reasons the first of these is told
RANK = {reason: number for number, reason in enumerate(REASONS)}


def barred(workspace_id: int, addresses: Iterable[str], stream: str) -> dict[str, str]:
    """Those of the addresses that get no mail of this stream, each with the reason in words.

    addresses  normalised
    stream     transactional or bulk: whoever unsubscribed from bulk mail still gets transactional mail
    """
    known = hashes_of(workspace_id, addresses)
    found: dict[str, str] = {}
    hashes = list(known)
    for start in range(0, len(hashes), CHUNK):
        rows = db.session.execute(_query(workspace_id, hashes[start : start + CHUNK], stream)).all()
        for row in sorted(rows, key=lambda row: RANK[row.reason]):
            found.setdefault(known[row.hash], sentence(row.reason))
    return found


def sentence(reason: str) -> str:
    """As the ledger and the API say it (reference/mailtrap.md section 4.1)."""
    return f"Recipient in suppression list. Reason: {REASONS[reason]}"


def _query(workspace_id: int, hashes: list[str], stream: str) -> Any:
    # No order: it would tempt both databases to walk the list instead of looking each hash up.
    query = select(Suppression.hash, Suppression.reason).where(Suppression.workspace_id == workspace_id, among(Suppression.hash, hashes))
    return query.where(Suppression.scope.in_(("all", stream)))
