"""What follows when rows of the ledger change: counters, the one state of the archive copy, open pages, listeners. Once per batch."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import Session

from webapp.core import counters, events, live, rollups
from webapp.core.bulk import among
from webapp.core.db import db
from webapp.core.pending import Pending
from webapp.messages.models import Message
from webapp.sending import campaigned
from webapp.sending.models import Delivery, Outgoing
from webapp.sending.settle import Waiting

#: the counter of all rows of a workspace
TOTAL = Delivery.__tablename__
LIVE_EVENT = "deliveries-changed"
#: of an archive copy with several recipients the first of these that any of them is in
OVERALL = ("leased", "queued", "deferred", "uncertain", "held", "bounced", "suppressed", "sent", "captured", "cancelled")
#: states whose numbers of each hour and day are kept, for charts and rates
ENDED = frozenset({"sent", "bounced"})
CHARTED = frozenset({"sent", "bounced", "deferred"})
#: what was taken at its first attempt, and has no row for it (`plain_sent`)
AT_ONCE = "out.at_once"
_UNSYNCED = {"synchronize_session": False}


def tell(moved: Sequence[tuple[Waiting, str]]) -> None:
    """After leased rows changed: counters, the archive copies, listeners, open pages."""
    tell_moves([(row, "leased", state) for row, state in moved])


def tell_moves(moves: Sequence[tuple[Waiting, str, str]]) -> None:
    """The same for rows in any state: (row, state before, state after)."""
    count_rows(moves)
    alone: dict[str, list[int]] = {}
    for row, _, state in moves:
        if row.recipient_count == 1 and row.message_id is not None:
            alone.setdefault(state, []).append(row.message_id)
    for state, message_ids in alone.items():
        _set_copies(message_ids, state)
    refresh_copies({row.outgoing_id for row, _, _ in moves if row.message_id is not None and row.recipient_count != 1})
    spread((row.workspace_id, row.id, state) for row, _, state in moves)


def spread(changes: Iterable[tuple[int, int, str]]) -> None:
    """Tell listeners and open pages: (workspace, delivery, state)."""
    workspaces: dict[int, dict[int, str]] = {}
    for workspace_id, delivery_id, state in changes:
        workspaces.setdefault(workspace_id, {})[delivery_id] = state
    for workspace_id, states in workspaces.items():
        _spread(workspace_id, states)


def _spread(workspace_id: int, states: dict[int, str]) -> None:
    events.send("deliveries_changed", workspace_id=workspace_id, states=states)
    live.notify(workspace_id, LIVE_EVENT)


def counter(state: str) -> str:
    """The name of the counter of a state's rows."""
    return f"deliveries:{state}"


def count_moves(moves: Iterable[tuple[int, str | None, str | None]]) -> None:
    """Keep the counters of the chips: (workspace, state before or None, state after or None). They are written when the caller commits."""
    for (workspace_id, before, after), number in Tally(moves).items():
        count_move(workspace_id, before, after, number)


def count_move(workspace_id: int, before: str | None, after: str | None, number: int) -> None:
    """The same for so many rows that move alike."""
    if before == after:
        return
    _pending.note((workspace_id, TOTAL if before is None else counter(before)), number if before is None else -number)
    _pending.note((workspace_id, TOTAL if after is None else counter(after)), -number if after is None else number)
    if after in ENDED:
        rollups.note("day", workspace_id, after, number)
    if after in CHARTED:
        rollups.note("hour", workspace_id, f"out.{after}", number)


def count_rows(moves: Sequence[tuple[Any, str | None, str | None]]) -> None:
    """Counters for rows that change: (row, state before, state after); those of campaigns count for these too."""
    count_moves((row.workspace_id, before, after) for row, before, after in moves)
    campaigned.moved(moves)


def tell_sent(moved: Mapping[tuple[int, int, str], int], ids: Mapping[int, Sequence[int]]) -> None:
    """Leased copies of campaigns became sent: (workspace, campaign, domain) -> how many, and the deliveries of each workspace."""
    for workspace_id, those in ids.items():
        count_move(workspace_id, "leased", "sent", len(those))
        rollups.note("hour", workspace_id, AT_ONCE, len(those))
        _spread(workspace_id, dict.fromkeys(those, "sent"))
    campaigned.moved_many(moved, "leased", "sent")


def _write(session: Session, noted: dict[tuple[int, str], int]) -> None:
    for (workspace_id, name), by in sorted(noted.items()):
        counters.bump(workspace_id, name, by, session)


_pending: Pending[tuple[int, str]] = Pending("deliveries", _write)


def refresh_copies(outgoing_ids: Iterable[int]) -> None:
    """Give the archive copies of these mails the state of their recipients together."""
    ids = list(outgoing_ids)
    if not ids:
        return
    rank = case({state: number for number, state in enumerate(OVERALL)}, value=Delivery.state, else_=len(OVERALL))
    overall = select(Outgoing.message_id, func.min(rank)).join(Delivery, Delivery.outgoing_id == Outgoing.id)
    rows = db.session.execute(overall.where(among(Outgoing.id, ids), Outgoing.message_id.is_not(None)).group_by(Outgoing.message_id))
    by_state: dict[str, list[int]] = {}
    for message_id, number in rows:
        by_state.setdefault(OVERALL[number] if number < len(OVERALL) else "queued", []).append(message_id)
    for state, message_ids in by_state.items():
        _set_copies(message_ids, state)


def _set_copies(message_ids: list[int], state: str) -> None:
    """A worker's turn shows as waiting, so that a copy is not written twice for it."""
    shown = "queued" if state == "leased" else state
    change: Any = update(Message).where(among(Message.id, message_ids), Message.delivery_state != shown).values(delivery_state=shown)
    db.session.execute(change, execution_options=_UNSYNCED)
