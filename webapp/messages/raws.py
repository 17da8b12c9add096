"""Sources of mail: each content once, packed; small ones in the database, so that message and source commit together.

    prepare(raw)      packs, and puts a large one into the blob store; touches no database, so no transaction waits for the disk
    keep(prepared)    the row, new or known
    load(raw_id)      the bytes again
    release(raw_ids)  removes those that no message, no mail on its way out and no run points at any more
"""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Select, delete, exists, select
from sqlalchemy.dialects import postgresql, sqlite

from webapp.core import queue
from webapp.core.blobs import blobs, pack, unpack
from webapp.core.db import Base, db, is_sqlite, utcnow
from webapp.core.fast_rows import Insert, take_ids
from webapp.messages.models import RawMessage

#: packed sources up to this size lie in the row, in bytes
MOST_IN_ROW = 256 * 1024


@dataclass(frozen=True)
class Prepared:
    """A source that is ready for its row; a large one is safe in the blob store already."""

    sha256: str
    size_bytes: int
    packed: bytes | None
    blob_key: str | None


_insert = Insert(RawMessage, ("id", "sha256", "size_bytes", "packed", "blob_key", "created_at"), unless="sha256")


def prepare(raw: bytes) -> Prepared:
    """raises Unavailable when the blob store cannot keep it"""
    packed = pack(raw)
    digest = hashlib.sha256(raw).hexdigest()
    if len(packed) <= MOST_IN_ROW:
        return Prepared(digest, len(raw), packed, None)
    key = f"raw/{digest[:2]}/{digest[2:4]}/{digest}-{secrets.token_hex(6)}"
    blobs().put(key, packed)
    return Prepared(digest, len(raw), None, key)


def keep(prepared: Prepared) -> RawMessage:
    """The row of this content. On PostgreSQL a known one is locked against removal until the transaction ends."""
    found = db.session.scalar(_by_digest(prepared.sha256))
    if found is not None:
        if prepared.blob_key:
            _forget_blob(prepared.blob_key)
        return found
    insert: Any = sqlite.insert if is_sqlite() else postgresql.insert
    values = {
        "sha256": prepared.sha256, "size_bytes": prepared.size_bytes, "packed": prepared.packed, "blob_key": prepared.blob_key,
        "created_at": utcnow(),
    }  # fmt: skip
    db.session.execute(insert(RawMessage).values(values).on_conflict_do_nothing(index_elements=["sha256"]))
    return db.session.scalars(_by_digest(prepared.sha256)).one()


def keep_many(sources: Iterable[Prepared]) -> dict[str, int]:
    """The ids of the rows of several contents, by their digest. Most are new: they are put in first, and only known ones are asked for."""
    wanted = {source.sha256: source for source in sources}
    if not wanted:
        return {}
    now, made = utcnow(), take_ids(RawMessage, len(wanted))
    rows = [{**vars(one), "id": number, "created_at": now} for number, one in zip(made, wanted.values(), strict=True)]
    if _insert.run(rows) == len(rows):
        return dict(zip(wanted, made, strict=True))
    found = _ids_of(list(wanted))
    for number, one in zip(made, wanted.values(), strict=True):
        if found[one.sha256] != number and one.blob_key:
            _forget_blob(one.blob_key)
    return found


def _ids_of(digests: list[str]) -> dict[str, int]:
    table = RawMessage.__table__.c
    query = select(table.sha256, table.id).where(table.sha256.in_(digests))
    query = query if is_sqlite() else query.with_for_update(read=True, key_share=True)
    return {row.sha256: row.id for row in db.session.execute(query)}


def _by_digest(digest: str) -> Select[RawMessage]:
    query = select(RawMessage).where(RawMessage.sha256 == digest)
    return query if is_sqlite() else query.with_for_update(read=True, key_share=True)


def store(raw: bytes) -> RawMessage:
    """Keep a source and answer its row."""
    return keep(prepare(raw))


def load(raw_id: int) -> bytes:
    """The bytes of a source. raises LookupError for an unknown id, BlobMissing when the blob store lost it"""
    row = db.session.execute(select(RawMessage.packed, RawMessage.blob_key).where(RawMessage.id == raw_id)).first()
    if row is None:
        raise LookupError(f"there is no source with the id {raw_id}")
    return unpack(row.packed if row.packed is not None else blobs().get(row.blob_key))


def load_many(raw_ids: Iterable[int]) -> dict[int, bytes]:
    """The bytes of several sources by id, by one query. raises LookupError for an unknown id, BlobMissing"""
    wanted = set(raw_ids)
    query = select(RawMessage.id, RawMessage.packed, RawMessage.blob_key).where(RawMessage.id.in_(wanted))
    rows = db.session.execute(query).all() if wanted else []
    if missing := wanted - {row.id for row in rows}:
        raise LookupError(f"there is no source with the id {min(missing)}")
    return {row.id: unpack(row.packed if row.packed is not None else blobs().get(row.blob_key)) for row in rows}


def _forget_blob(key: str) -> None:
    """Delete a blob after the commit. Keys are never used twice, so nobody can have stored the same content under it meanwhile."""
    queue.after_commit(f"raw:{key}", partial(blobs().delete, key))


def release(raw_ids: Iterable[int]) -> int:
    """Remove those of these sources that nothing points at any more; says how many went.

    Every foreign key to `raw_messages` counts, whichever feature it belongs to.
    """
    links = [key for table in Base.metadata.tables.values() for key in table.foreign_keys]
    unused = [~exists().where(key.parent == RawMessage.id) for key in links if key.column.table.name == RawMessage.__tablename__]
    db.session.flush()
    gone = delete(RawMessage).where(RawMessage.id.in_(set(raw_ids)), *unused).returning(RawMessage.blob_key)
    keys = list(db.session.scalars(gone, execution_options={"synchronize_session": False}))
    for key in filter(None, keys):
        _forget_blob(key)
    return len(keys)
