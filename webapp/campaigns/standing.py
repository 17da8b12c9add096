"""Rows of campaigns in the ordinary machinery: retries, what was put back, what is held or goes to a mailbox here.

    paused      rows whose turn comes stand still: without a time they are in nobody's way
    sending     standing rows get their time again, a batch per transaction
    cancelled   whatever waits is given up, a batch per transaction

A person who was deleted or unsubscribed meanwhile gets no second attempt either.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact
from webapp.core import failpoints, queue
from webapp.core.bulk import among, update_rows
from webapp.core.db import database_now, db, is_sqlite
from webapp.sending import history, ledger, tally
from webapp.sending.models import Delivery
from webapp.sending.settle import Waiting

BATCH = 1000
WAITING = ("queued", "deferred", "held")
GONE, UNSUBSCRIBED = "The contact was deleted before it went.", "The contact unsubscribed before it went."
_UNSYNCED = {"synchronize_session": False}


def keep_back(rows: Sequence[Waiting], now: datetime) -> set[int]:
    """Those of these due rows that do not go now; they are locked by the caller. The campaigns are locked, so none changes meanwhile."""
    ids = sorted({row.campaign_id for row in rows if row.campaign_id is not None})
    query = select(Campaign.id, Campaign.state).where(Campaign.id.in_(ids), Campaign.deleted_at.is_(None)).order_by(Campaign.id)
    states: dict[Any, str] = {row.id: row.state for row in db.session.execute(query.with_for_update(of=Campaign))}
    still = [row for row in rows if states.get(row.campaign_id) == "paused"]
    over = [row for row in rows if states.get(row.campaign_id, "cancelled") == "cancelled"]
    if still:
        change = update(Delivery).where(among(Delivery.id, [row.id for row in still])).values(next_attempt_at=None, updated_at=now)
        db.session.execute(change, execution_options=_UNSYNCED)
        mark = update(Campaign).where(Campaign.id.in_({row.campaign_id for row in still}))
        db.session.execute(mark.values(has_standing=True, updated_at=Campaign.updated_at), execution_options=_UNSYNCED)
    kept = {row.id for row in (*still, *over)}
    reasons = dict.fromkeys([row.id for row in over], "") | _without_person([row for row in rows if row.id not in kept])
    give_up([row for row in rows if row.id in reasons], reasons, now)
    return kept | set(reasons)


def _without_person(rows: Sequence[Waiting]) -> dict[int, str]:
    """Rows whose person is gone or wants no campaigns any more, with the reason."""
    if not rows:
        return {}
    query = select(Contact.id, Contact.subscribed).where(among(Contact.id, [row.contact_id or 0 for row in rows]))
    known: dict[Any, bool] = {row.id: row.subscribed for row in db.session.execute(query)}
    return {row.id: UNSUBSCRIBED if row.contact_id in known else GONE for row in rows if not known.get(row.contact_id, False)}


def give_up(rows: Sequence[Waiting], reasons: dict[int, str], now: datetime) -> None:
    """Cancel rows that wait; `reasons` in words, empty where the campaign was cancelled."""
    if not rows:
        return
    names = ("id", "state", "next_attempt_at", "held_reason", "held_by", "last_error", "finished_at", "updated_at")
    update_rows(Delivery, names, [(row.id, "cancelled", None, None, None, reasons.get(row.id) or None, now, now) for row in rows])
    for row in rows:
        history.moved([(row, "cancelled")], now, {"reason": reasons.get(row.id) or "the campaign was cancelled"})
    tally.tell_moves([(row, row.state, "cancelled") for row in rows])


def has_any() -> bool:
    """Whether rows are to be let go on, or to be given up."""
    query = select(Campaign.id).where(Campaign.has_standing, Campaign.state.in_(("sending", "cancelled"))).limit(1)
    return db.session.scalar(query) is not None


def work_off(until: float) -> bool:
    """Batch after batch, each a transaction; True when nothing is left."""
    while time.monotonic() < until:
        query = select(Campaign.id, Campaign.state).where(Campaign.has_standing, Campaign.state.in_(("sending", "cancelled")))
        found = db.session.execute(query.order_by(Campaign.id).limit(1).with_for_update(of=Campaign)).one_or_none()
        if found is None:
            db.session.rollback()
            return True
        number = _let_go(found.id) if found.state == "sending" else _cancel(found.id)
        if number < BATCH and not _is_in_hand(found.id, found.state):
            change = update(Campaign).where(Campaign.id == found.id).values(has_standing=False, updated_at=Campaign.updated_at)
            db.session.execute(change, execution_options=_UNSYNCED)
        failpoints.hit("campaign.standing_moved")
        db.session.commit()
        if not number:
            return not has_any()
    return False


def _let_go(campaign_id: int) -> int:
    """Standing rows are due now."""
    ids = _some(campaign_id, ("queued", "deferred"), Delivery.next_attempt_at.is_(None))
    if ids:
        now = database_now()
        change = update(Delivery).where(among(Delivery.id, ids)).values(next_attempt_at=now, updated_at=now)
        db.session.execute(change, execution_options=_UNSYNCED)
        queue.ring("sending.bulk")
    return len(ids)


def _cancel(campaign_id: int) -> int:
    """Rows that wait are given up."""
    ids = _some(campaign_id, WAITING)
    if ids:
        give_up(ledger.waiting(among(Delivery.id, ids)), {}, database_now())
    return len(ids)


def _some(campaign_id: int, states: Sequence[str], *conditions: Any) -> list[int]:
    """A batch of rows, locked; what somebody else has locked is passed over."""
    query = select(Delivery.id).where(Delivery.campaign_id == campaign_id, Delivery.state.in_(states), *conditions).limit(BATCH)
    return list(db.session.scalars(query if is_sqlite() else query.with_for_update(skip_locked=True)))


def _is_in_hand(campaign_id: int, state: str) -> bool:
    """Whether rows of a cancelled campaign are still with a worker, who may put them back."""
    if state != "cancelled":
        return False
    query = select(Delivery.id).where(Delivery.campaign_id == campaign_id, Delivery.state.in_(("leased", *WAITING))).limit(1)
    return db.session.scalar(query) is not None
