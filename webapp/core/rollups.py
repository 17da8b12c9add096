"""How much happened in each hour or day, kept by the transaction in which it happens, so that charts and rates count no rows.

    note("hour", workspace_id, "received")                at the end of the transaction, with the other counters
    read(workspace_id, "hour", 24, ["received", "sent"])  the last 24 hours, oldest first, the running one at the end

They stand among the counters as `hour:2026-11-21T08:received` and `day:2026-11-21:bounced`, in UTC; `forget` takes old ones away.
Beside them `ever:hour:received` only grows; that is what /metrics shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from webapp.core import counters
from webapp.core.counters import Counter
from webapp.core.db import db, utcnow
from webapp.core.pending import Pending

SHAPES = {"minute": "%Y-%m-%dT%H:%M", "hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d"}
LENGTH = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
#: how long each is kept
KEPT = {"hour": timedelta(days=8), "day": timedelta(days=400)}


@dataclass(frozen=True)
class Span:
    """One hour or day: when it began, and how much of each was in it."""

    begins: datetime
    numbers: dict[str, int]


def name(span: str, moment: datetime, what: str) -> str:
    """The counter's name, `hour:2026-11-21T08:received`."""
    return f"{span}:{moment.astimezone(UTC).strftime(SHAPES[span])}:{what}"


def note(span: str, workspace_id: int, what: str, by: int = 1, session: Any = None) -> None:
    """Add to the running hour or day."""
    _pending.note((workspace_id, name(span, utcnow(), what)), by, session)


def read(workspace_id: int, span: str, number: int, whats: Sequence[str]) -> list[Span]:
    """The last so many hours or days, oldest first; the running one is the last. One query over names that are known."""
    now = utcnow().replace(minute=0, second=0, microsecond=0)
    begins = [now - LENGTH[span] * back for back in range(number - 1, -1, -1)]
    found = counters.read_many(workspace_id, [name(span, moment, what) for moment in begins for what in whats])
    return [Span(moment, {what: found[name(span, moment, what)] for what in whats}) for moment in begins]


def forget(workspace_ids: Sequence[int]) -> int:
    """Take away what is older than KEPT; returns how many counters went."""
    gone = 0
    for span, kept in KEPT.items():
        old = Counter.name.startswith(f"{span}:"), Counter.name < name(span, utcnow() - kept, "")
        change = delete(Counter).where(Counter.workspace_id.in_(workspace_ids), *old)
        result: Any = db.session.execute(change, execution_options={"synchronize_session": False})
        gone += result.rowcount
    return gone


def ever(span: str, what: str) -> str:
    """The counter of all that was ever noted in hours, or in days."""
    return f"ever:{span}:{what}"


def _write(session: Session, noted: dict[tuple[int, str], int]) -> None:
    sums = dict(noted)
    for (workspace_id, counter), by in noted.items():
        key = (workspace_id, ever(counter.partition(":")[0], counter.rpartition(":")[2]))
        sums[key] = sums.get(key, 0) + by
    counters.bump_many(sums, session)


_pending: Pending[tuple[int, str]] = Pending("rollups", _write)
