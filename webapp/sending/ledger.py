"""The ledger's three movements, each one short transaction that the caller commits: claim, record, take over.

    claim    due rows get a lease and the state `leased`; committed before the first byte goes out
    record   results become states, attempts, counters, news; rows that could not be tried go back
    recover  what dead holders left: not on the wire goes back to where it was, on the wire is uncertain or as its noted answer says

Network never runs inside any of them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, exists, literal_column, select, update

from webapp.core import leases
from webapp.core.bulk import among, insert_rows, update_rows
from webapp.core.db import UTCDateTime, database_now, db, is_sqlite
from webapp.core.fast_rows import Statement
from webapp.sending import barring, campaigned, history, holds, plain_sent, return_path, settle
from webapp.sending.models import STREAMS, Attempt, Delivery, Outgoing
from webapp.sending.settle import Outcome, Waiting
from webapp.sending.tally import LIVE_EVENT as LIVE_EVENT
from webapp.sending.tally import OVERALL as OVERALL
from webapp.sending.tally import count_move as count_move
from webapp.sending.tally import count_moves as count_moves
from webapp.sending.tally import count_rows as count_rows
from webapp.sending.tally import counter as counter
from webapp.sending.tally import refresh_copies as refresh_copies
from webapp.sending.tally import tell as tell

#: how long a claim holds without being extended; DESIGN promise 2 asks for takeover within 20 s
LEASE_S = 15.0
BATCH = 100
#: what is read of a row that is worked on, in the order of `Waiting`
COLUMNS = (
    Delivery.id, Delivery.workspace_id, Delivery.outgoing_id, Outgoing.message_id, Delivery.mailbox_id, Delivery.recipient, Delivery.domain,
    Delivery.stream, Delivery.state, Delivery.attempts, Delivery.sent_again, Delivery.on_wire_at, Delivery.boot_id, Delivery.created_at,
    Outgoing.envelope_sender, Outgoing.raw_id, Outgoing.recipient_count, Outgoing.reports, Outgoing.delay_told_at,
    Delivery.waits_from, Delivery.campaign_id, Delivery.contact_id,
)  # fmt: skip
_UNSYNCED = {"synchronize_session": False}


def is_due(now: datetime) -> Any:
    return and_(Delivery.next_attempt_at.is_not(None), Delivery.next_attempt_at <= now)


def has_due(streams: Sequence[str] = STREAMS, *, without: Sequence[str] = ()) -> bool:
    """Whether a row of these streams waits for a worker now, but for those of some domains."""
    if not without:
        return any(_first_due.fetch({"stream": stream, "now": database_now()}) for stream in streams)
    # The index begins with the stream, so naming the streams makes this two short looks into it.
    query = select(Delivery.id).where(Delivery.stream.in_(streams), is_due(database_now()), *_elsewhere(without))
    return db.session.scalar(query.limit(1)) is not None


def _make_first_due(_dialect: str) -> Any:
    due = and_(Delivery.next_attempt_at.is_not(None), Delivery.next_attempt_at <= bindparam("now", type_=UTCDateTime()))
    return select(literal_column("1")).where(exists().where(Delivery.stream == bindparam("stream"), due))


#: asked many times a second by whoever sends bulk mail
_first_due = Statement(_make_first_due)


def _elsewhere(without: Sequence[str]) -> list[Any]:
    return [Delivery.domain.not_in(without)] if without else []


def has_expired() -> bool:
    """Whether a holder let its lease run out."""
    return db.session.scalar(select(Delivery.id).where(_ran_out(database_now())).limit(1)) is not None


def _ran_out(before: datetime) -> Any:
    return and_(Delivery.lease_until.is_not(None), Delivery.lease_until < before)


def claim(owner: str, boot_id: str, limit: int = BATCH, stream: str | None = None, *, without: Sequence[str] = ()) -> list[Waiting]:
    """Lease up to `limit` due rows; commit before working on them. What comes back is sorted by mail.

    stream   of one stream alone; without it transactional rows first, then bulk
    without  domains that are left alone for now
    Rows of a domain or mailbox that is on hold are held instead, and those of a suppressed recipient end, so that fewer rows than asked
    for may come although more are due. Their envelope sender is the one that they leave with.
    """
    now = database_now()
    rows: list[Waiting] = []
    for name in STREAMS if stream is None else (stream,):
        if len(rows) < limit:
            rows += _due(name, now, limit - len(rows), without)
    if not rows:
        return []
    kept = holds.keep_back(rows, now)
    kept |= barring.keep_back([row for row in rows if row.id not in kept], now)
    kept |= campaigned.keep_back([row for row in rows if row.id not in kept], now)
    rows = sorted((row for row in rows if row.id not in kept), key=lambda row: (row.raw_id, row.id))
    values = {
        "state": "leased", "next_attempt_at": None, "lease_until": now + timedelta(seconds=LEASE_S), "lease_owner": owner,
        "boot_id": boot_id, "updated_at": now,
    }  # fmt: skip
    change = update(Delivery).where(among(Delivery.id, [row.id for row in rows])).values(values)
    db.session.execute(change, execution_options=_UNSYNCED)
    count_rows([(row, row.state, "leased") for row in rows])
    return return_path.signed(rows)


def _due(stream: str, now: datetime, limit: int, without: Sequence[str]) -> list[Waiting]:
    """The rows whose turn it is, locked; those that another claim has in hand are passed over."""
    query = select(*COLUMNS).join(Outgoing).where(Delivery.stream == stream, is_due(now), leases.free(Delivery, now))
    query = query.where(*_elsewhere(without))
    query = query.order_by(Delivery.next_attempt_at, Delivery.id).limit(limit)
    if not is_sqlite():
        query = query.with_for_update(skip_locked=True, of=Delivery)
    return [Waiting._make(row) for row in db.session.execute(query)]


def waiting(condition: Any) -> list[Waiting]:
    """Rows with what it takes to send them, those of one mail together."""
    query = select(*COLUMNS).join(Outgoing).where(condition).order_by(Outgoing.raw_id, Delivery.id)
    return [Waiting._make(row) for row in db.session.execute(query)]


def still_held(rows: Sequence[Waiting], owner: str) -> set[int]:
    """Which of these rows this holder still has; they are locked for the rest of the transaction."""
    query = select(Delivery.id).where(among(Delivery.id, [row.id for row in rows]), Delivery.lease_owner == owner)
    return set(db.session.scalars(query if is_sqlite() else query.order_by(Delivery.id).with_for_update()))


_FREE = {"lease_until": None, "lease_owner": None, "boot_id": None}


def record(owner: str, outcomes: Sequence[Outcome]) -> None:
    """Write what the attempts brought. A row that somebody else took over meanwhile keeps its state; its attempt is kept all the same."""
    if not outcomes:
        return
    now = database_now()
    plain, others = plain_sent.parted(outcomes)
    if plain:
        _record_plain(owner, plain, now)
    if others:
        _record_any(owner, others, now)


def _record_plain(owner: str, outcomes: Sequence[Outcome], now: datetime) -> None:
    """The short way, or the long one where somebody took rows over."""
    short = db.session.begin_nested()
    if plain_sent.record(owner, outcomes, now):
        short.commit()
    else:
        short.rollback()
        _record_any(owner, outcomes, now)


def _record_any(owner: str, outcomes: Sequence[Outcome], now: datetime) -> None:
    held = still_held([outcome.row for outcome in outcomes], owner)
    ours = [outcome for outcome in outcomes if outcome.row.id in held]
    changes = [settle.settled(outcome, now) for outcome in ours]
    if changes:
        names = ("id", *changes[0], *_FREE, "updated_at")
        free = (*_FREE.values(), now)
        update_rows(Delivery, names, [(o.row.id, *change.values(), *free) for o, change in zip(ours, changes, strict=True)])
    insert_rows(Attempt, _ATTEMPT, [_attempt(outcome) for outcome in outcomes])
    history.attempted(ours, changes, now)
    tell([(outcome.row, change["state"]) for outcome, change in zip(ours, changes, strict=True)])


_ATTEMPT = ("delivery_id", "number", "at", "host", "outcome", "code", "text", "seconds", "dialogue", "tls")


def _attempt(outcome: Outcome) -> tuple[Any, ...]:
    row, result = outcome.row, outcome.result
    return (
        row.id, row.attempts + 1, outcome.at, outcome.host, result.outcome, result.code, settle.storable(result.text), result.seconds,
        settle.dialogue_kept(row.stream, result), result.tls,
    )  # fmt: skip


def put_back(
    owner: str, rows: Sequence[Waiting], *, reason: str | None = None, until: datetime | None = None, why: str | None = None
) -> None:
    """Rows that were claimed and not tried: to where they were, due at once.

    reason      they are held until there is a way out
    until, why  they are due then, because their destination asked us to slow down
    """
    if not rows:
        return
    now = database_now()
    held = still_held(rows, owner)
    ours = [row for row in rows if row.id in held]
    changes: list[dict[str, Any]] = [
        {
            "state": row.state_before if reason is None else "held", "next_attempt_at": (until or now) if reason is None else None,
            "held_reason": reason, "held_by": None if reason is None else "transport", **({"last_error": why} if why else {}),
        }
        for row in ours
    ]  # fmt: skip
    if not changes:
        return
    names, free = ("id", *changes[0], *_FREE, "updated_at"), (*_FREE.values(), now)
    update_rows(Delivery, names, [(row.id, *change.values(), *free) for row, change in zip(ours, changes, strict=True)])
    moved = [(row, change["state"]) for row, change in zip(ours, changes, strict=True)]
    if reason is not None:
        history.moved(moved, now, {"reason": reason})
    tell(moved)


def owners_expired(grace_s: float = 0.0) -> list[str]:
    """Holders whose leases ran out so long ago."""
    query = select(Delivery.lease_owner).where(_ran_out(database_now() - timedelta(seconds=grace_s))).distinct().limit(500)
    return [owner or "" for owner in db.session.scalars(query)]


def extend(owner: str) -> int:
    """Hold on to everything that this holder has; returns how many rows that are."""
    change = update(Delivery).where(Delivery.lease_until.is_not(None), Delivery.lease_owner == owner)
    values = {"lease_until": database_now() + timedelta(seconds=LEASE_S)}
    result: Any = db.session.execute(change.values(values), execution_options=_UNSYNCED)
    return int(result.rowcount)
