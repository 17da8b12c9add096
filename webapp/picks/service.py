"""One order over many rows: previewed, carried out in batches, undone exactly.

    preview ──> start ──> up to INLINE rows at once, in the request; more by the drain, a batch per transaction
                  └────> undo ──> the same way back, row by row

Each batch, its audit entries and its marks in `pick_rows` are one transaction, so a crash neither skips a row nor changes one twice.
"""

from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Select, func, insert, literal, select, update

from webapp.core import live, queue
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Invalid, InvalidState
from webapp.core.lookup import get_mine
from webapp.picks import kinds
from webapp.picks.kinds import Action, Effect, Kind
from webapp.picks.models import BACK, CHANGED, SKIPPED, STUCK, WAITING, PickChange, PickRow

DRAIN, LIVE_EVENT = "picks.drain", "picks-changed"
#: rows that are worked off within the request, and rows of one transaction of the drain
INLINE, BATCH = 200, 200
#: ids that a form may name one by one
MOST_IDS = 1000
#: rows of one order
MOST_ROWS = 100_000


@dataclass(frozen=True)
class Selection:
    """Rows that were picked: by id, or everything that a list's filters match."""

    kind: Kind
    query: Select[Any]
    total: int


def choose(actor: Actor, kind_name: str, ids: list[int] | None, filters: dict[str, str] | None) -> Selection:
    """What was picked, narrowed to what the actor sees. raises NotFound for an unknown kind, Invalid when nothing is left"""
    kind = kinds.get(kind_name)
    actor.require(kind.scope)
    if ids is not None and len(ids) > MOST_IDS:
        raise Invalid(f"At most {MOST_IDS:,} {kind.plural} can be named one by one.", hint="Pick all that match instead.")
    query = kind.choose(actor, filters, ids)
    total = db.session.scalar(select(func.count()).select_from(query.order_by(None).limit(MOST_ROWS + 1).subquery())) or 0
    if total > MOST_ROWS:
        text = f"At most {MOST_ROWS:,} {kind.plural} are changed at once; these are more."
        raise Invalid(text, hint="Narrow the list by its filters.")
    if not total:
        raise Invalid("Nothing was picked.", hint=f"Pick at least one {kind.noun}, then what to do with it.")
    return Selection(kind, query, total)


def preview(actor: Actor, selection: Selection, action_name: str) -> tuple[Action, Effect]:
    """What the action would do, in numbers."""
    action = selection.kind.action(action_name)
    actor.require(action.scope)
    return action, action.effect(actor, selection.query)


def summary(actor: Actor, selection: Selection) -> list[str]:
    """What was picked, in numbers."""
    return selection.kind.summary(actor, selection.query)


def start(actor: Actor, selection: Selection, action_name: str) -> PickChange:
    """Give the order. Up to INLINE rows are done when this returns, the rest goes on in the background."""
    kind = selection.kind
    action = kind.action(action_name)
    actor.require(action.scope)
    change = PickChange(
        workspace_id=actor.workspace_id, kind=kind.name, action=action.name, user_id=actor.user_id, ip=actor.ip,
        request_id=actor.request_id, state="running", total=selection.total,
    )  # fmt: skip
    db.session.add(change)
    db.session.flush()
    ids = selection.query.order_by(None).subquery()
    rows = select(literal(change.id), ids.c.id, literal(WAITING))
    db.session.execute(insert(PickRow).from_select(["change_id", "row_id", "state"], rows))
    _begin(actor, change)
    return change


def get_change(actor: Actor, change_id: int) -> PickChange:
    """raises NotFound"""
    change = get_mine(actor, PickChange, change_id, "order")
    actor.require(kinds.get(change.kind).scope)
    return change


def undo(actor: Actor, change_id: int) -> PickChange:
    """Change back what an order changed, and nothing else. raises InvalidState while it runs, and the second time"""
    change = get_mine(actor, PickChange, change_id, "order", for_update=True)
    action = kinds.get(change.kind).action(change.action)
    actor.require(action.undo_scope or action.scope)
    if change.state != "done":
        why = {"running": "still runs", "undoing": "is being undone", "undone": "is undone already"}[change.state]
        raise InvalidState(f"This change {why}.", hint="Look at its page to see how far it is.")
    change.state, change.user_id, change.ip, change.request_id = "undoing", actor.user_id, actor.ip, actor.request_id
    db.session.flush()
    _begin(actor, change)
    return change


def _begin(actor: Actor, change: PickChange) -> None:
    if change.total <= INLINE:
        while not work_off(actor, change, BATCH):
            continue
    else:
        queue.ring(DRAIN)
    live.notify(change.workspace_id, LIVE_EVENT)


def work_off(actor: Actor, change: PickChange, limit: int) -> bool:
    """One batch of an order, or of its undoing, in the caller's transaction; True when nothing was left behind it."""
    forward = change.state == "running"
    wanted = WAITING if forward else CHANGED
    query = select(PickRow.row_id, PickRow.before).where(PickRow.change_id == change.id, PickRow.state == wanted)
    rows = {row.row_id: row.before for row in db.session.execute(query.order_by(PickRow.row_id).limit(limit))}
    kind = kinds.get(change.kind)
    action = kind.action(change.action)
    if rows:
        done = action.apply(actor, list(rows)) if forward else action.undo(actor, rows)
        _mark(change.id, {row_id: done.changed[row_id] for row_id in rows if row_id in done.changed}, CHANGED if forward else BACK)
        rest = [row_id for row_id in rows if row_id not in done.changed]
        _mark(change.id, dict.fromkeys(rest), SKIPPED if forward else STUCK)
        if forward:
            change.changed += len(rows) - len(rest)
            change.skipped += len(rest)
        else:
            change.undone += len(rows) - len(rest)
        change.problem = change.problem or done.problem
        live.notify(change.workspace_id, kind.event)
    finished = len(rows) < limit
    if finished:
        finish(change)
    db.session.flush()
    live.notify(change.workspace_id, LIVE_EVENT)
    return finished


def finish(change: PickChange, problem: str | None = None) -> None:
    """Nothing is left to do, or nobody may do it any more."""
    change.state = "done" if change.state == "running" else "undone"
    change.problem = change.problem or problem
    change.finished_at, change.lease_until, change.lease_owner = utcnow(), None, None


def _mark(change_id: int, rows: dict[int, Any], state: int) -> None:
    plain = [row_id for row_id, before in rows.items() if before is None]
    mine = PickRow.change_id == change_id
    if plain:
        db.session.execute(update(PickRow).where(mine, PickRow.row_id.in_(plain)).values(state=state), execution_options=_UNSYNCED)
    alike: dict[bytes, list[int]] = {}
    for row_id, before in rows.items():
        if before is not None:
            alike.setdefault(orjson.dumps(before, option=orjson.OPT_SORT_KEYS), []).append(row_id)
    for ids in alike.values():
        some = update(PickRow).where(mine, PickRow.row_id.in_(ids)).values(state=state, before=rows[ids[0]])
        db.session.execute(some, execution_options=_UNSYNCED)


_UNSYNCED = {"synchronize_session": False}


def sentence(change: PickChange) -> str:
    """What was done, for the toast: "12 mailboxes paused, 1 left as it was." """
    kind = kinds.get(change.kind)
    past = kind.action(change.action).past
    if change.state in ("undoing", "undone"):
        stuck = change.changed - change.undone
        rest = f", {stuck:,} could not be changed back" if stuck and change.state == "undone" else ""
        return f"{kind.words(change.undone)} {'is' if change.undone == 1 else 'are'} as before{rest}."
    rest = f", {change.skipped:,} left as {'it was' if change.skipped == 1 else 'they were'}" if change.skipped else ""
    return f"{kind.words(change.changed)} {past}{rest}."
