"""How fast a host is sent to: full speed until it asks to slow down, then step by step slower, and back again when it stops asking.

    level 0     4 connections of this worker, no limit of letters
    level 1..   1 connection, 240, 60, 15, 4, 1 letters a minute for all workers together, after a pause of 15 s, 1, 4, 15 minutes

A row that has to wait goes back into the ledger with the moment until which it waits; no attempt is counted. Levels, pauses and the
letters of the minute stand in the database, connections are counted per worker.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from webapp.core.db import database_now, db, is_sqlite, reading
from webapp.sending.destinations import Destination

#: connections of one worker to one host
CONNECTIONS = 4
#: letters after which a connection is closed and another one opened
PER_CONNECTION = 100
#: letters a minute at each level
PER_MINUTE = (None, 240, 60, 15, 4, 1)
PAUSE_S = (0.0, 15.0, 60.0, 240.0, 900.0, 900.0)
#: a level goes down after so long without another refusal, in seconds
CALM_S = 300.0
#: replies that mean us and our speed rather than the letter (RFC 3463 section 3.8, and the words of large providers)
_WORDS = re.compile(
    r"\b4\.7\.\d+\b|rate.?limit|throttl|too (many|much|fast)|slow.?down|temporarily (deferred|rejected)|connection limit|busy|unusual rate",
    re.I,
)


@dataclass(frozen=True)
class Leave:
    """What may go to a host now.

    letters      None: as many as there are
    paused_until nothing may go before; `reply` says why
    """

    connections: int = CONNECTIONS
    letters: int | None = None
    paused_until: datetime | None = None
    reply: str = ""


FULL = Leave()


def asks_to_slow_down(code: int | None, text: str) -> bool:
    """Whether a reply is about our speed. Greylisting is not: it asks each letter to come again."""
    if code == 421:
        return True
    return code is not None and 400 <= code < 500 and _WORDS.search(text) is not None and "greylist" not in text.lower()


def ask_leave(name: str, wanted: int) -> Leave:
    """How many of `wanted` letters may go to this host now; they count as sent. Commits when the host has a row, else only reads."""
    with reading():
        row = db.session.scalar(select(Destination).where(Destination.name == name, Destination.level > 0))
        db.session.rollback()
    if row is None:
        return FULL
    row = db.session.scalar(select(Destination).where(Destination.name == name).with_for_update())
    now = database_now()
    leave = _leave(row, wanted, now) if row is not None else FULL
    db.session.commit()
    return leave


def _leave(row: Destination, wanted: int, now: datetime) -> Leave:
    if row.paused_until is not None and row.paused_until > now:
        return Leave(0, 0, row.paused_until, row.reply)
    if (now - row.changed_at).total_seconds() > CALM_S + PAUSE_S[row.level]:
        row.level, row.changed_at, row.paused_until = row.level - 1, now, None
    limit = PER_MINUTE[row.level]
    if limit is None:
        return FULL
    minute = now.replace(second=0, microsecond=0)
    if row.minute_at != minute:
        row.minute_at, row.used = minute, 0
    granted = max(0, min(wanted, limit - row.used))
    row.used += granted
    return Leave(1, granted, minute + timedelta(minutes=1) if granted < wanted else None, row.reply)


def slow_down(name: str, reply: str) -> datetime:
    """A host asked for it: one level slower, and a pause. Commits. returns the end of the pause"""
    now = database_now()
    insert: Any = sqlite.insert if is_sqlite() else postgresql.insert
    new = {"name": name, "level": 0, "changed_at": now, "used": 0, "reply": "", "created_at": now, "updated_at": now}
    db.session.execute(insert(Destination).values(new).on_conflict_do_nothing(index_elements=["name"]))
    row = db.session.scalars(select(Destination).where(Destination.name == name).with_for_update()).one()
    db.session.refresh(row)
    if row.paused_until is None or row.paused_until <= now:  # several workers hear the same complaint; it counts once
        row.level = min(row.level + 1, len(PER_MINUTE) - 1)
        row.changed_at, row.paused_until = now, now + timedelta(seconds=PAUSE_S[row.level])
    row.reply = reply[:500].replace("\x00", "")
    until = row.paused_until
    db.session.commit()
    return until
