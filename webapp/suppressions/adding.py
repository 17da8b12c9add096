"""Putting addresses on the list, many in one statement; what is there already stays as it is, with the cause it had first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from webapp.core import counters, events, live
from webapp.core.bulk import among
from webapp.core.db import db, is_sqlite, utcnow
from webapp.suppressions.hashes import hash_of, hashes_of, key_mark
from webapp.suppressions.lookup import CHUNK
from webapp.suppressions.models import Suppression

LIVE_EVENT = "suppressions-changed"
#: characters of a foreign reply that are kept
MOST_SAID = 500


@dataclass(frozen=True)
class New:
    """An address for the list. `address` is normalised; the rest as the columns of `Suppression`."""

    address: str
    reason: str
    scope: str = "all"
    source: str = "api"
    added_by: str | None = None
    note: str | None = None
    said: str | None = None
    delivery_id: int | None = None
    event_id: int | None = None
    message_id: int | None = None


def add_many(workspace_id: int, rows: Sequence[New]) -> list[int]:
    """Put them on the list; returns the ids of the rows that are new. Address, reason and scope together are there once."""
    wanted = {(one.address, one.reason, one.scope): one for one in rows}
    for known in _there(workspace_id, {one.address for one in rows}):
        wanted.pop(known, None)
    if not wanted:
        return []
    now, mark = utcnow(), key_mark()
    values = [
        {
            "workspace_id": workspace_id, "address": one.address, "hash": hash_of(workspace_id, one.address), "key_mark": mark,
            "reason": one.reason, "scope": one.scope, "source": one.source, "added_by": one.added_by, "note": one.note,
            "said": one.said[:MOST_SAID] if one.said else None, "delivery_id": one.delivery_id, "event_id": one.event_id,
            "message_id": one.message_id, "created_at": now, "updated_at": now,
        }
        for one in wanted.values()
    ]  # fmt: skip
    insert: Any = (sqlite.insert if is_sqlite() else postgresql.insert)(Suppression)
    # somebody else may add the same one at the same moment
    made = list(db.session.scalars(insert.on_conflict_do_nothing().returning(Suppression.id), values))
    counters.bump(workspace_id, Suppression.__tablename__, len(made))
    live.notify(workspace_id, LIVE_EVENT)
    if made:
        events.send("suppressions_added", workspace_id=workspace_id, reasons={one.address: one.reason for one in wanted.values()})
    return made


def add_hash(workspace_id: int, hash: str, mark: str, why: New) -> bool:
    """Put somebody on the list of whom only the keyed hash is left (`hashes`), with its `key_mark`. returns whether that is new"""
    now = utcnow()
    values = {
        "workspace_id": workspace_id, "address": None, "hash": hash, "key_mark": mark, "reason": why.reason, "scope": why.scope,
        "source": why.source, "created_at": now, "updated_at": now,
    }  # fmt: skip
    insert: Any = (sqlite.insert if is_sqlite() else postgresql.insert)(Suppression)
    made = db.session.scalar(insert.on_conflict_do_nothing().returning(Suppression.id), values)
    if made is not None:
        counters.bump(workspace_id, Suppression.__tablename__)
        live.notify(workspace_id, LIVE_EVENT)
    return made is not None


def count_known(workspace_id: int, rows: Sequence[New]) -> int:
    """How many of them `add_many` would find on the list; each address, reason and scope stands there once."""
    known = _there(workspace_id, {one.address for one in rows})
    return sum((one.address, one.reason, one.scope) in known for one in rows)


def _there(workspace_id: int, addresses: set[str]) -> set[tuple[str, str, str]]:
    """(address, reason, scope) of what the list has of these people, under whatever key."""
    known = hashes_of(workspace_id, addresses)
    hashes = list(known)
    found = set()
    for start in range(0, len(hashes), CHUNK):
        query = select(Suppression.hash, Suppression.reason, Suppression.scope).where(Suppression.workspace_id == workspace_id)
        for row in db.session.execute(query.where(among(Suppression.hash, hashes[start : start + CHUNK]))):
            found.add((known[row.hash], row.reason, row.scope))
    return found
