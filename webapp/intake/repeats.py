"""A sender's repeat after a lost 250 (RELIABILITY C-15): stored and shown like any mail, but its routes do not run a second time.

The same mail is: the same recipient, the same Message-ID and the same bytes, apart from the lines that this server put on top, within
24 hours. It is looked for when a mail was read, in the transaction that records the mail, so whichever of the two is recorded second is
the repeat, and two workers never both take theirs for the first. Mails that share a Message-ID but differ are not repeats.
source  RFC 1047 (duplicate messages and SMTP), RFC 5321 section 4.5.3.2.6
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update

from webapp.core.db import db, is_sqlite
from webapp.intake.pipeline import Copy
from webapp.messages import raws
from webapp.messages.models import Message

WINDOW = timedelta(hours=24)
#: headers that this server writes on top of what it was given
OURS = (b"received:", b"delivered-to:")
_C: Any = Message.__table__.c
_COLUMNS = (_C.id, _C.mailbox_id, _C.recipient, _C.message_id_header, _C.raw_id, _C.created_at, _C.state)
Key = tuple[int, str, str]


def look(copies: Sequence[Copy]) -> dict[int, str]:
    """The sentence for each mail that repeats one which was recorded before it, or that stands before it in the batch."""
    keys = {copy.id: key for copy in copies if (key := _key(copy)) is not None}
    if not keys:
        return {}
    _one_at_a_time(keys.values())
    known: dict[Key, list[Any]] = {}
    for row in _alike(keys):
        known.setdefault((row.mailbox_id, row.recipient or "", row.message_id_header), []).append(row)
    created = _created(list(keys))
    found: dict[int, str] = {}
    firsts: dict[Key, list[Copy]] = {}
    for copy in copies:
        key = keys.get(copy.id)
        if key is None:
            continue
        near = [row for row in known.get(key, []) if abs(row.created_at - created[copy.id]) <= WINDOW]
        before = [(row.id, row.raw_id) for row in near] + [(first.id, first.raw_id) for first in firsts.get(key, [])]
        original = _same(copy, before)
        if original is None:
            firsts.setdefault(key, []).append(copy)
        else:
            found[copy.id] = f"The sender sent message {original} again, probably because our answer was lost. No route runs for it."
            _note(copy.id, original)
    return found


def _key(copy: Copy) -> Key | None:
    name = copy.columns.get("message_id_header")
    if copy.mailbox_id is None or copy.is_test or copy.is_system or not name:
        return None
    return copy.mailbox_id, copy.recipient or "", str(name)


def _one_at_a_time(keys: Any) -> None:
    """Two workers with the same mail go one after the other; SQLite has one writer anyway."""
    if is_sqlite():
        return
    numbers = {int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8], "big", signed=True) for key in keys}
    locks = func.unnest(sorted(numbers)).table_valued("number").render_derived()
    db.session.execute(select(func.pg_advisory_xact_lock(locks.c.number))).all()


def _alike(keys: dict[int, Key]) -> Sequence[Any]:
    """Recorded mails with one of these Message-IDs in one of these mailboxes; one walk along an index."""
    boxes, names = {key[0] for key in keys.values()}, {key[2] for key in keys.values()}
    query = select(*_COLUMNS).where(
        _C.mailbox_id.in_(boxes), _C.message_id_header.in_(names), _C.direction == "received", _C.repeats_id.is_(None),
        _C.message_id_header.is_not(None), _C.state == "processed", _C.id.not_in(list(keys)), _C.is_test.is_(False),
    )  # fmt: skip
    return db.session.execute(query.order_by(_C.id).limit(1000)).all()


def _created(ids: list[int]) -> dict[int, datetime]:
    return {row.id: row.created_at for row in db.session.execute(select(_C.id, _C.created_at).where(_C.id.in_(ids)))}


def _same(copy: Copy, before: Sequence[tuple[int, int]]) -> int | None:
    """The first of these mails that holds the same bytes."""
    if not before:
        return None
    sources = raws.load_many({copy.raw_id, *(raw_id for _, raw_id in before)})
    mine = content(sources[copy.raw_id])
    return next((message_id for message_id, raw_id in before if content(sources[raw_id]) == mine), None)


def content(raw: bytes) -> bytes:
    """SHA-256 of what the sender gave, without the header fields that this server put on top."""
    start = 0
    for name in (OURS[1], OURS[0]):
        if raw[start : start + len(name)].lower() == name:
            start = _after_field(raw, start)
    return hashlib.sha256(memoryview(raw)[start:]).digest()


def _after_field(raw: bytes, start: int) -> int:
    """Where the header field that begins here ends, with its folded lines."""
    end = raw.find(b"\n", start)
    while end >= 0 and raw[end + 1 : end + 2] in (b" ", b"\t"):
        end = raw.find(b"\n", end + 1)
    return len(raw) if end < 0 else end + 1


def _note(message_id: int, original: int) -> None:
    change = update(Message).where(Message.id == message_id).values(repeats_id=original, updated_at=Message.updated_at)
    db.session.execute(change, execution_options={"synchronize_session": False})
