"""One step over every delivery that a filter matches: previewed in numbers, then done at once or, when there are many, batch by batch.

    preview ──> give ──> up to INLINE rows in the request; more go on in the drain, BATCH per transaction ──> done, or stopped

Each batch, its counters, its events and the order's position are one transaction, so that nothing is skipped or taken twice. Running
workers go on meanwhile: what they have in hand is left alone, and a row that they settled first is settled.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import leases, live, queue
from webapp.core.actor import Actor
from webapp.core.db import database_now, db
from webapp.core.errors import InvalidState, invalid
from webapp.core.lookup import get_mine
from webapp.sending import listing, tally
from webapp.sending.models import Delivery, Order
from webapp.sending.steps import STEPS, Step, states_for, take_all

DRAIN = "sending.orders"
#: rows that are worked off within the request, and rows of one transaction of the drain
INLINE, BATCH = 2000, 1000
LEASE_S = 30.0
#: what a filter may name
FILTERS = ("state", "recipient", "domain", "mailbox_id", "stream", "outgoing_id", "older_than_s", "created_before", "ids")


@dataclass(frozen=True)
class Effect:
    """What an order would do, or did.

    matched   deliveries that the filter finds; `by_state` says in which states they are
    possible  those of them for which the step is possible now
    """

    verb: str
    matched: int
    possible: int
    by_state: dict[str, int]
    sentence: str


def preview(actor: Actor, verb: str, filters: dict[str, Any]) -> Effect:
    """What the order would do now; nothing changes. raises Invalid for an empty filter"""
    actor.require("deliveries:write")
    step = STEPS[verb]
    query = _matching(actor, filters).with_only_columns(Delivery.state, func.count()).order_by(None).group_by(Delivery.state)
    by_state = {state: int(number) for state, number in db.session.execute(query)}
    possible = sum(number for state, number in by_state.items() if state in states_for(step))
    return Effect(verb, sum(by_state.values()), possible, by_state, _sentence(step, filters, possible, by_state.get("leased", 0)))


def give(actor: Actor, verb: str, filters: dict[str, Any]) -> Order:
    """Give the order; up to INLINE rows are done when this returns, the rest goes on in the background. raises Invalid"""
    effect = preview(actor, verb, filters)
    last = db.session.scalar(select(func.max(Delivery.id)).where(Delivery.workspace_id == actor.workspace_id)) or 0
    kept = _named(filters)
    if "older_than_s" in kept:  # as old as now, not as old as when its batch comes
        kept["created_before"] = (database_now() - timedelta(seconds=kept.pop("older_than_s"))).isoformat()
    order = Order(
        workspace_id=actor.workspace_id, verb=verb, filter=kept, giver=_giver_of(actor), state="running", total=effect.possible,
        last_id=last, changed=0, position=0,
    )  # fmt: skip
    db.session.add(order)
    db.session.flush()
    target = Target("delivery_order", order.id, _deliveries(effect.possible))
    audit.record(actor, f"deliveries.{verb}", target, after={"filter": kept, "deliveries": effect.possible, "by_state": effect.by_state})
    if effect.possible <= INLINE:
        while order.state == "running":
            _batch(order, actor)
    else:
        queue.ring(DRAIN)
    return order


def get_order(actor: Actor, order_id: int) -> Order:
    """raises NotFound"""
    actor.require("deliveries:read")
    return get_mine(actor, Order, order_id, "order")


def stop(actor: Actor, order_id: int) -> Order:
    """End a running order after its current batch; what it changed stays. raises InvalidState when it has ended"""
    actor.require("deliveries:write")
    order = get_mine(actor, Order, order_id, "order", for_update=True)
    if order.state != "running":
        raise InvalidState("This order has ended already.", hint="Look at its numbers to see what it changed.")
    order.state, order.finished_at = "stopped", database_now()
    audit.record(actor, "deliveries.stop", Target("delivery_order", order.id, _deliveries(order.total)), after={"changed": order.changed})
    live.notify(order.workspace_id, tally.LIVE_EVENT)
    return order


def said(order: Order) -> str:
    """What became of it: "212 deliveries cancelled." """
    done = f"{_deliveries(order.changed)} {STEPS[order.verb].past}"
    if order.state == "running":
        return f"{done} so far, of {order.total:,}."
    left = max(0, order.total - order.changed)
    rest = f"; {left:,} {'was' if left == 1 else 'were'} left as {'it is' if left == 1 else 'they are'}" if left else ""
    return f"{'Stopped: ' if order.state == 'stopped' else ''}{done}{rest}."


# --- in the background -----------------------------------------------------------------------------------


def is_due() -> bool:
    """Whether an order has rows left and nobody works on it."""
    waiting = select(Order.id).where(Order.state == "running", leases.free(Order, database_now()))
    return db.session.scalar(waiting.limit(1)) is not None


def work_off(until: float) -> bool:
    """Carry orders on; True when none is left."""
    while time.monotonic() < until:
        owner = leases.new_owner()
        ids = leases.claim(Order, Order.state == "running", limit=1, lease_s=LEASE_S, order=Order.id, owner=owner)
        db.session.commit()
        if not ids:
            return True
        while time.monotonic() < until and _carry_on(ids[0], owner):
            continue
        leases.extend(Order, ids, owner, -1.0)
        db.session.commit()
    return False


def _carry_on(order_id: int, owner: str) -> bool:
    """One batch; False when the order has ended, or somebody else took it over."""
    order = db.session.get(Order, order_id, with_for_update=True, populate_existing=True)
    if order is None or order.lease_owner != owner or order.state != "running":
        db.session.rollback()
        return False
    _batch(order, _actor_of(order))
    leases.extend(Order, [order_id], owner, LEASE_S)
    db.session.commit()
    return order.state == "running"


def _batch(order: Order, actor: Actor) -> None:
    step = STEPS[order.verb]
    query = _matching(actor, order.filter).with_only_columns(Delivery.id)
    query = query.where(Delivery.id > order.position, Delivery.id <= order.last_id, Delivery.state.in_(states_for(step)))
    ids = list(db.session.scalars(query.order_by(Delivery.id).limit(BATCH)))
    order.changed += len(take_all(actor, step, ids))
    order.position = ids[-1] if ids else order.last_id
    if len(ids) < BATCH:
        order.state, order.finished_at = "done", database_now()
    db.session.flush()
    live.notify(order.workspace_id, tally.LIVE_EVENT)


# --- which deliveries ------------------------------------------------------------------------------------


def _named(filters: dict[str, Any]) -> dict[str, Any]:
    return {name: filters[name] for name in FILTERS if filters.get(name) not in (None, "", [])}


def _matching(actor: Actor, filters: dict[str, Any]) -> Select[Any]:
    """raises Invalid when nothing narrows it: all deliveries is never what somebody means by an empty filter"""
    named = _named(filters)
    if not named:
        raise invalid("filter", "Name at least one of " + ", ".join(FILTERS) + ".")
    ids = named.pop("ids", None)
    if isinstance(named.get("created_before"), str):
        named["created_before"] = datetime.fromisoformat(named["created_before"])
    query = listing.filtered(listing.visible(actor), named)
    return query.where(Delivery.id.in_(ids)) if ids is not None else query


def _giver_of(actor: Actor) -> dict[str, Any]:
    """What the drain needs to act and write in the name of whoever gave the order."""
    return {
        "type": actor.type, "id": actor.id, "name": actor.name, "user_id": actor.user_id, "token_id": actor.token_id,
        "token_name": actor.token_name, "token_last_four": actor.token_last_four, "ip": actor.ip, "request_id": actor.request_id,
        "domain_ids": None if actor.domain_ids is None else sorted(actor.domain_ids),
        "mailbox_ids": None if actor.mailbox_ids is None else sorted(actor.mailbox_ids),
    }  # fmt: skip


def _actor_of(order: Order) -> Actor:
    """The rights were checked when the order was given; the limits of the token stay."""
    giver = dict(order.giver)
    limits: dict[str, Any] = {
        name: None if (found := giver.pop(name)) is None else frozenset(found) for name in ("domain_ids", "mailbox_ids")
    }
    return Actor(workspace_id=order.workspace_id, scopes=frozenset({"*"}), role="owner", **limits, **giver)


# --- words -----------------------------------------------------------------------------------------------


def _deliveries(number: int) -> str:
    return f"{number:,} {'delivery' if number == 1 else 'deliveries'}"


def _sentence(step: Step, filters: dict[str, Any], possible: int, in_hand: int) -> str:
    """ "212 deliveries to acme.test will be cancelled; 3 that a worker has in hand are left alone." """
    whom = filters.get("domain") or filters.get("recipient")
    left = f"; {in_hand:,} that a worker has in hand {'is' if in_hand == 1 else 'are'} left alone" if in_hand else ""
    return f"{_deliveries(possible)}{f' to {whom}' if whom else ''} will be {step.past}{left}. {step.effect}"

