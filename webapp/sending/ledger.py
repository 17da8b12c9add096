"""The ledger's three movements, each one short transaction that the caller commits: claim, record, take over.

    claim    due rows get a lease and the state `leased`; committed before the first byte goes out
    record   results become states, attempts, counters, news; rows that could not be tried go back
    recover  what dead holders left: not on the wire goes back to where it was, on the wire is uncertain or as its noted answer says

Network never runs inside any of them.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, func, insert, select, update

from webapp.core import counters, events, leases, live, rollups
from webapp.core.db import database_now, db, is_sqlite
from webapp.messages.models import Message
from webapp.sending import history, settle
from webapp.sending.models import STREAMS, Attempt, Delivery, Outgoing
from webapp.sending.settle import Outcome, Waiting

#: how long a claim holds without being extended; DESIGN promise 2 asks for takeover within 20 s
LEASE_S = 15.0
BATCH = 100
LIVE_EVENT = "deliveries-changed"

#: of an archive copy with several recipients the first of these that any of them is in
OVERALL = ("leased", "queued", "deferred", "uncertain", "held", "bounced", "suppressed", "sent", "captured", "cancelled")


def is_due(now: datetime) -> Any:
    return and_(Delivery.next_attempt_at.is_not(None), Delivery.next_attempt_at <= now)


def has_due() -> bool:
    """Whether a row waits for a worker now."""
    # The index begins with the stream, so naming the streams makes this two short looks into it.
    query = select(Delivery.id).where(Delivery.stream.in_(STREAMS), is_due(database_now()))
    return db.session.scalar(query.limit(1)) is not None


def has_expired() -> bool:
    """Whether a holder let its lease run out."""
    return db.session.scalar(select(Delivery.id).where(_ran_out(database_now())).limit(1)) is not None


def _ran_out(before: datetime) -> Any:
    return and_(Delivery.lease_until.is_not(None), Delivery.lease_until < before)


def claim(owner: str, boot_id: str, limit: int = BATCH) -> list[Waiting]:
    """Lease up to `limit` due rows, transactional ones first; commit before working on them."""
    ids: list[int] = []
    for stream in ("transactional", "bulk"):
        if len(ids) < limit:
            due = and_(Delivery.stream == stream, is_due(database_now()))
            ids += leases.claim(Delivery, due, limit=limit - len(ids), lease_s=LEASE_S, order=Delivery.next_attempt_at, owner=owner)
    if not ids:
        return []
    rows = waiting(Delivery.id.in_(ids))
    values = {"state": "leased", "next_attempt_at": None, "boot_id": boot_id, "updated_at": database_now()}
    db.session.execute(update(Delivery).where(Delivery.id.in_(ids)).values(values), execution_options={"synchronize_session": False})
    count_moves((row.workspace_id, row.state, "leased") for row in rows)
    return rows


def waiting(condition: Any) -> list[Waiting]:
    """Rows with what it takes to send them, those of one mail together."""
    columns = (
        Delivery.id, Delivery.workspace_id, Delivery.outgoing_id, Outgoing.message_id, Delivery.mailbox_id, Delivery.recipient,
        Delivery.stream, Delivery.state, Delivery.attempts, Delivery.sent_again, Delivery.on_wire_at, Delivery.boot_id,
        Delivery.created_at, Outgoing.envelope_sender, Outgoing.raw_id,
    )  # fmt: skip
    found = db.session.execute(select(*columns).join(Outgoing).where(condition).order_by(Outgoing.raw_id, Delivery.id))
    return [Waiting(**row._mapping) for row in found]


def still_held(rows: Sequence[Waiting], owner: str) -> set[int]:
    """Which of these rows this holder still has; they are locked for the rest of the transaction."""
    query = select(Delivery.id).where(Delivery.id.in_([row.id for row in rows]), Delivery.lease_owner == owner)
    return set(db.session.scalars(query if is_sqlite() else query.with_for_update()))


def record(owner: str, outcomes: Sequence[Outcome]) -> None:
    """Write what the attempts brought. A row that somebody else took over meanwhile keeps its state, unless the mail was taken."""
    if not outcomes:
        return
    now = database_now()
    held = still_held([outcome.row for outcome in outcomes], owner)
    ours = [o for o in outcomes if o.row.id in held]
    changes = [{"id": o.row.id, **settle.settled(o, now), **_FREE, "updated_at": now} for o in ours]
    db.session.execute(update(Delivery), changes)
    db.session.execute(
        insert(Attempt),
        [
            {
                "delivery_id": o.row.id, "number": o.row.attempts + 1, "at": o.at, "host": o.host, "outcome": o.result.outcome,
                "code": o.result.code, "text": settle.storable(o.result.text), "seconds": o.result.seconds,
                "dialogue": settle.dialogue_kept(o.row.stream, o.result),
            }
            for o in outcomes
        ],
    )  # fmt: skip
    history.attempted(ours, changes, now)
    moved = [(o.row, change["state"]) for o, change in zip(ours, changes, strict=True)]
    tell(moved)


def put_back(owner: str, rows: Sequence[Waiting], *, reason: str | None = None) -> None:
    """Rows that were claimed and not tried: to where they were, due at once; with a reason they are held until there is a way out."""
    if not rows:
        return
    now = database_now()
    held = still_held(rows, owner)
    moved = []
    for row in rows:
        if row.id not in held:
            continue
        state = row.state_before if reason is None else "held"
        moved.append((row, state))
    changes = [
        {
            "id": row.id, "state": state, "next_attempt_at": now if reason is None else None, "held_reason": reason,
            "held_by": None if reason is None else "transport", **_FREE, "updated_at": now,
        }
        for row, state in moved
    ]  # fmt: skip
    if changes:
        db.session.execute(update(Delivery), changes)
    if reason is not None:
        history.moved(moved, now, {"reason": reason})
    tell(moved)


_FREE = {"lease_until": None, "lease_owner": None, "boot_id": None}


def tell(moved: Sequence[tuple[Waiting, str]]) -> None:
    """After leased rows changed: counters, the archive copies, listeners, open pages."""
    count_moves((row.workspace_id, "leased", state) for row, state in moved)
    refresh_copies({row.outgoing_id for row, _ in moved if row.message_id is not None})
    for row, state in moved:
        events.send("delivery_changed", delivery_id=row.id, state=state)
    for workspace_id in {row.workspace_id for row, _ in moved}:
        live.notify(workspace_id, LIVE_EVENT)


#: states whose numbers of each day are kept, for rates
ENDED = frozenset({"sent", "bounced"})


def counter(state: str) -> str:
    return f"deliveries:{state}"


def count_moves(moves: Iterable[tuple[int, str | None, str | None]]) -> None:
    """Keep the counters of the chips: (workspace, state before or None, state after or None)."""
    sums: Tally[tuple[int, str]] = Tally()
    for workspace_id, before, after in moves:
        if before is not None:
            sums[(workspace_id, counter(before))] -= 1
        if after is not None:
            sums[(workspace_id, counter(after))] += 1
        if after in ENDED and after != before:
            rollups.note("day", workspace_id, after)
    for (workspace_id, name), by in sorted(sums.items()):
        counters.bump(workspace_id, name, by)


def refresh_copies(outgoing_ids: Iterable[int]) -> None:
    """Give the archive copies of these mails the state of their recipients together."""
    ids = list(outgoing_ids)
    if not ids:
        return
    rank = case({state: number for number, state in enumerate(OVERALL)}, value=Delivery.state, else_=len(OVERALL))
    overall = select(Outgoing.message_id, func.min(rank)).join(Delivery, Delivery.outgoing_id == Outgoing.id)
    rows = db.session.execute(overall.where(Outgoing.id.in_(ids), Outgoing.message_id.is_not(None)).group_by(Outgoing.message_id))
    by_state: dict[str, list[int]] = {}
    for message_id, number in rows:
        state = OVERALL[number] if number < len(OVERALL) else "queued"
        by_state.setdefault("queued" if state == "leased" else state, []).append(message_id)
    for state, message_ids in by_state.items():
        change = update(Message).where(Message.id.in_(message_ids), Message.delivery_state != state).values(delivery_state=state)
        db.session.execute(change, execution_options={"synchronize_session": False})


def owners_expired(grace_s: float = 0.0) -> list[str]:
    """Holders whose leases ran out so long ago."""
    query = select(Delivery.lease_owner).where(_ran_out(database_now() - timedelta(seconds=grace_s))).distinct().limit(500)
    return [owner or "" for owner in db.session.scalars(query)]


def extend(owner: str) -> int:
    """Hold on to everything that this holder has; returns how many rows that are."""
    change = update(Delivery).where(Delivery.lease_until.is_not(None), Delivery.lease_owner == owner)
    values = {"lease_until": database_now() + timedelta(seconds=LEASE_S)}
    result: Any = db.session.execute(change.values(values), execution_options={"synchronize_session": False})
    return int(result.rowcount)
