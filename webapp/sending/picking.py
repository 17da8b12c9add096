"""Deliveries picked in the sending log: the steps over many rows, with their effect in numbers, and undone where that is possible."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Select, func, select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.states import state_word
from webapp.picks.kinds import Action, Before, Done, Effect, Kind
from webapp.sending import listing, tally
from webapp.sending.models import STATES, STREAMS, Delivery
from webapp.sending.steps import STEPS, Step, states_for, take_all, take_back


def read_filters(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the address of the list names, as `listing.filtered` takes it; what is no value of a filter is left out."""

    def number(name: str) -> int | None:
        text = str(given.get(name, ""))
        return int(text) if text.isdecimal() and len(text) < 19 else None

    state, stream = given.get("state", ""), given.get("stream", "")
    return {
        "state": state if state in STATES else None, "stream": stream if stream in STREAMS else None,
        "recipient": str(given.get("q", "")).strip()[:254] or None, "domain": str(given.get("domain", "")).strip()[:253] or None,
        "message_id": number("message_id"), "mailbox_id": number("mailbox"), "older_than_s": (number("older_h") or 0) * 3600 or None,
    }  # fmt: skip


def choose(actor: Actor, filters: Mapping[str, str] | None, ids: list[int] | None) -> Select[Any]:
    """The ids of the picked deliveries that the actor sees."""
    mine = listing.visible(actor).with_only_columns(Delivery.id)
    return mine.where(Delivery.id.in_(ids)) if ids is not None else listing.filtered(mine, read_filters(filters or {}))


def summary(_actor: Actor, ids: Select[Any]) -> list[str]:
    """How many are in which state."""
    return [f"{number:,} {state_word(state)}" for state, number in _by_state(ids).items()]


def _by_state(ids: Select[Any]) -> dict[str, int]:
    query = select(Delivery.state, func.count()).where(Delivery.id.in_(select(ids.order_by(None).subquery().c.id))).group_by(Delivery.state)
    return {state: int(number) for state, number in db.session.execute(query.order_by(func.count().desc()))}


def _action(step: Step) -> Action:
    def effect(_actor: Actor, ids: Select[Any]) -> Effect:
        by_state = _by_state(ids)
        changes = sum(number for state, number in by_state.items() if state in states_for(step))
        others = sum(by_state.values()) - changes
        words = "1 delivery is" if changes == 1 else f"{changes:,} deliveries are"
        rest = f" The other {others:,} stay as they are: for them it is not possible." if others else ""
        return Effect(changes, f"{words} {step.past}. {step.effect}{rest}")

    def apply(actor: Actor, ids: list[int]) -> Done:
        actor.require("deliveries:write")
        allowed = list(db.session.scalars(choose(actor, None, ids)))
        changed = take_all(actor, step, allowed)
        names = _names(changed)
        for row_id, before in changed.items():
            audit.record(actor, f"delivery.{step.verb}", Target("delivery", row_id, names[row_id]), before={"state": before["state"]})
        return Done(dict(changed))

    def undo(actor: Actor, rows: Mapping[int, Before]) -> Done:
        actor.require("deliveries:write")
        back = take_back(actor, step, {row_id: before for row_id, before in rows.items() if before})
        names = _names(back)
        for row_id in back:
            after = {"state": (rows[row_id] or {}).get("state")}
            audit.record(actor, f"delivery.undo_{step.verb}", Target("delivery", row_id, names[row_id]), after=after)
        left = "What a worker has taken meanwhile stays as it is." if len(back) < len(rows) else None
        return Done(dict.fromkeys(back), left)

    asks = step.verb in ("send_again", "treat_as_sent", "cancel")
    return Action(
        step.verb, step.label, step.icon, step.past, "deliveries:write", effect, apply, undo, asks=asks, danger=step.verb == "cancel"
    )


def _names(ids: Any) -> dict[int, str]:
    return {row.id: row.recipient for row in db.session.execute(select(Delivery.id, Delivery.recipient).where(Delivery.id.in_(list(ids))))}


ACTIONS = tuple(_action(step) for step in STEPS.values())


def kind(home: Callable[[], str]) -> Kind:
    """`home` tells the address of the list."""
    return Kind("delivery", "delivery", "deliveries", "deliveries:read", choose, summary, home, tally.LIVE_EVENT, ACTIONS)
