"""What a person can do about deliveries, one or many at once: the same rule for the page, the bar over picked rows and the API.

    retry          goes now: before its time, or again although it bounced or was captured
    hold, release  kept back, let go again
    cancel         given up before it left
    treat_as_sent  of one in doubt: it arrived, leave it alone
    send_again     of one in doubt: it goes once more, with the same Message-ID
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from webapp.core import queue
from webapp.core.actor import Actor
from webapp.core.bulk import among, update_rows
from webapp.core.db import database_now, db, is_sqlite
from webapp.core.errors import InvalidState, NotFound
from webapp.sending import history, holds, ledger, tally, ways
from webapp.sending.models import Delivery, Outgoing
from webapp.sending.settle import Waiting
from webapp.sending.why import TREATED


@dataclass(frozen=True)
class Step:
    """One thing to do.

    past      behind the number: "212 deliveries will be cancelled"
    possible  states in which a row may be
    change    (now, actor) -> columns
    effect    what may happen, for the confirmation
    """

    verb: str
    label: str
    icon: str
    past: str
    possible: frozenset[str]
    change: Callable[[datetime, Actor], dict[str, Any]]
    effect: str


def _go(now: datetime, _actor: Actor) -> dict[str, Any]:
    return {
        "state": "queued", "next_attempt_at": now, "bounce": None, "finished_at": None, "held_reason": None, "held_by": None,
        "waits_from": now, "report_at": None,
    }  # fmt: skip


def _stay(_now: datetime, actor: Actor) -> dict[str, Any]:
    reason = f"held by {actor.name or 'somebody'}"
    return {"state": "held", "next_attempt_at": None, "held_reason": reason, "held_by": "person", "report_at": None}


def _end(now: datetime, _actor: Actor) -> dict[str, Any]:
    return {"state": "cancelled", "next_attempt_at": None, "finished_at": now, "held_reason": None, "held_by": None, "report_at": None}


def _believe(now: datetime, actor: Actor) -> dict[str, Any]:
    return {
        "state": "sent", "next_attempt_at": None, "finished_at": now, "on_wire_at": None, "report_at": None, "last_code": None,
        "last_reply": None, "last_error": f"{TREATED}{actor.name or 'somebody'}",
    }  # fmt: skip


_GOES = "They go out as soon as a worker is free."
_TWICE = "If a mail arrived after all, its recipient gets a second copy; the Message-ID is the same, and many servers drop the repeat."
STEPS = {
    step.verb: step
    for step in (
        Step("retry", "Send now", "refresh-cw", "sent now",
             frozenset({"queued", "deferred", "uncertain", "bounced", "captured", "suppressed"}), _go, _GOES),
        Step("release", "Release", "play", "released", frozenset({"held"}), _go, _GOES),
        Step("treat_as_sent", "Treat as sent", "check", "treated as sent", frozenset({"uncertain"}), _believe,
             "If a mail did not arrive after all, its recipient gets nothing."),
        Step("send_again", "Send again", "send", "sent again", frozenset({"uncertain"}), _go, _TWICE),
        Step("hold", "Hold", "pause", "held", frozenset({"queued", "deferred", "uncertain"}), _stay,
             "They stay here until somebody releases them."),
        Step("cancel", "Cancel", "circle-x", "cancelled", frozenset({"queued", "deferred", "uncertain", "held"}), _end,
             "What is cancelled is not sent any more. Holding is milder: it can be released."),
    )
}  # fmt: skip
#: columns that a step may change, so that it can be undone
KEPT = (
    "state", "next_attempt_at", "bounce", "finished_at", "held_reason", "held_by", "waits_from", "on_wire_at", "last_code", "last_reply",
    "last_error",
)  # fmt: skip
_TIMES = frozenset({"next_attempt_at", "finished_at", "waits_from", "on_wire_at"})
Before = dict[str, Any]


def possible_steps(row: Any) -> list[str]:
    """The verbs that its state allows now; `send_again` instead of `retry` for one in doubt, nothing that a hold forbids."""
    if row.state == "captured" and ways.platform().open is None:
        return []
    other = {"retry"} if row.state == "uncertain" else {"release"} if row.held_by in ("domain", "mailbox") else set()
    return [verb for verb, step in STEPS.items() if row.state in step.possible and verb not in other]


def states_for(step: Step) -> frozenset[str]:
    """The states from which it is possible now: captured mail stays where it is while nothing may leave."""
    return step.possible if ways.platform().open is not None else step.possible - {"captured"}


def take_all(actor: Actor, step: Step, ids: Collection[int]) -> dict[int, Before]:
    """Take a step with those rows of the workspace for which it is possible now; rows that a worker has in hand are left alone.

    returns what each changed row was before. Not audited: whoever orders it says once how many there were. The caller commits.
    """
    now = database_now()
    rows = _locked(actor.workspace_id, ids, states_for(step))
    if step.verb == "release":
        rows = _not_on_hold(rows)
    if not rows:
        return {}
    change = step.change(now, actor)
    names = ("id", *change, "updated_at")
    update_rows(Delivery, names, [(row.id, *change.values(), now) for row, _ in rows])
    tally.tell_moves([(row, row.state, change["state"]) for row, _ in rows])
    for row, _ in rows:
        history.stepped(row, actor, step.verb, now)
    if change["state"] == "queued":
        queue.ring("sending.drain")
    return {row.id: {**before, "at": now.isoformat()} for row, before in rows}


def take_back(actor: Actor, step: Step, rows: Mapping[int, Before]) -> list[int]:
    """Undo a step for those rows that are still as it left them; returns their ids."""
    after = step.change(database_now(), actor)["state"]
    query = select(Delivery.id, Delivery.updated_at).where(among(Delivery.id, rows), Delivery.state == after)
    found = db.session.execute(query.order_by(Delivery.id).with_for_update())
    ids = [row_id for row_id, at in found if at == datetime.fromisoformat(rows[row_id]["at"])]
    if not ids:
        return []
    now = database_now()
    held = ledger.waiting(among(Delivery.id, ids))
    values = [
        (row.id, *(_time(rows[row.id][name]) if name in _TIMES else rows[row.id][name] for name in KEPT), now) for row in held
    ]
    update_rows(Delivery, ("id", *KEPT, "updated_at"), values)
    tally.tell_moves([(row, after, str(rows[row.id]["state"])) for row in held])
    history.moved([(row, str(rows[row.id]["state"])) for row in held], now, {"step": f"undo {step.verb}", "by": actor.name})
    queue.ring("sending.drain")
    return ids


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _locked(workspace_id: int, ids: Collection[int], states: Collection[str]) -> list[tuple[Waiting, Before]]:
    """Rows of the workspace in one of these states, locked, with what they were before."""
    kept = [getattr(Delivery, name).label(f"kept_{name}") for name in KEPT]
    query = select(*ledger.COLUMNS, *kept).join(Outgoing)
    query = query.where(Delivery.workspace_id == workspace_id, among(Delivery.id, ids), Delivery.state.in_(states)).order_by(Delivery.id)
    if not is_sqlite():
        query = query.with_for_update(of=Delivery)
    size = len(ledger.COLUMNS)
    found = []
    for row in db.session.execute(query):
        before = {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in zip(KEPT, row[size:], strict=True)
        }
        found.append((Waiting._make(row[:size]), before))
    return found


def _not_on_hold(rows: Sequence[tuple[Waiting, Before]]) -> list[tuple[Waiting, Before]]:
    """Without those whose domain or mailbox is on hold as a whole: they would be held again at once."""
    on_hold = holds.holds_of({row.workspace_id for row, _ in rows})
    return [(row, before) for row, before in rows if holds.hold_of(on_hold, row) is None]


def take_one(actor: Actor, row: Any, step: Step) -> Before:
    """The same for one row, with an answer in words when it is not possible. raises InvalidState"""
    found = take_all(actor, step, [row.id])
    if found:
        return found[row.id]
    state = db.session.scalar(select(Delivery.state).where(Delivery.id == row.id))
    if state is None:
        raise NotFound(f"There is no delivery with the id {row.id}.")
    if state == "leased":
        raise InvalidState("A worker is handing this mail over right now.", hint="Wait a few seconds, look where it is, and try again.")
    if state == "held" and step.verb == "release":
        raise InvalidState("Its domain or its mailbox is on hold as a whole.", hint="Lift that hold; what it held goes on by itself.")
    if state == "captured" and "captured" in step.possible:
        hint = "Set MAILROOM_TRANSPORT to a mail server first, then send it."
        raise InvalidState("This mail is captured, and the transport still lets nothing leave.", hint=hint)
    states = ", ".join(sorted(step.possible))
    raise InvalidState(f"A {state} delivery cannot be {step.past}.", hint=f"That is possible for: {states}.")
