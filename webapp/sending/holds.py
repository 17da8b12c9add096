"""Domains and mailboxes that are on hold: what waits for them is kept back until somebody lifts it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select, update

from webapp.core.bulk import among
from webapp.core.db import db
from webapp.sending import history
from webapp.sending.models import Delivery, Hold
from webapp.sending.settle import Waiting
from webapp.sending.tally import tell_moves

_UNSYNCED = {"synchronize_session": False}


def holds_of(workspace_ids: set[int], *, lock: bool = False) -> dict[tuple[int, str | int], Hold]:
    """What is on hold in these workspaces: (workspace, domain or mailbox id) -> hold.

    lock  none of them is lifted before the transaction ends, so that what is held for it is let go again
    """
    if not workspace_ids:
        return {}
    query = select(Hold).where(Hold.workspace_id.in_(workspace_ids), Hold.state != "lifting").order_by(Hold.id)
    found = db.session.scalars(query.with_for_update(read=True) if lock else query)
    return {(hold.workspace_id, hold.domain if hold.domain is not None else hold.mailbox_id or 0): hold for hold in found}


def hold_of(holds: Mapping[tuple[int, str | int], Hold], row: Waiting) -> Hold | None:
    """The hold that keeps this row back, if any."""
    return holds.get((row.workspace_id, row.domain)) or holds.get((row.workspace_id, row.mailbox_id or 0))


def sentence(hold: Hold) -> str:
    """Why a row is held by it, in words: "acme.test is on hold (by Alice: their server is down)"."""
    what = hold.domain if hold.domain is not None else "the mailbox"
    return f"{what} is on hold (by {hold.held_by}{f': {hold.reason}' if hold.reason else ''})"


def keep_back(rows: Sequence[Waiting], now: datetime) -> set[int]:
    """Hold those due rows whose domain or mailbox is on hold; returns their ids. The rows are locked by the caller."""
    holds = holds_of({row.workspace_id for row in rows}, lock=True)
    if not holds:
        return set()
    kept: dict[int, list[Waiting]] = {}
    for row in rows:
        hold = hold_of(holds, row)
        if hold is not None:
            kept.setdefault(hold.id, []).append(row)
    by_id = {hold.id: hold for hold in holds.values()}
    for hold_id, held in kept.items():
        hold_rows(by_id[hold_id], held, now)
    return {row.id for held in kept.values() for row in held}


def hold_rows(hold: Hold, rows: Sequence[Waiting], now: datetime) -> None:
    """Hold rows that wait, for the reason of this hold."""
    reason = sentence(hold)
    values = {
        "state": "held", "next_attempt_at": None, "held_reason": reason, "held_by": "domain" if hold.domain is not None else "mailbox",
        "updated_at": now,
    }  # fmt: skip
    change = update(Delivery).where(among(Delivery.id, [row.id for row in rows])).values(values)
    db.session.execute(change, execution_options=_UNSYNCED)
    history.moved([(row, "held") for row in rows], now, {"reason": reason})
    tell_moves([(row, row.state, "held") for row in rows])
