"""Picked in bulk in the list of mail: let out of quarantine, or sent through again after it was parked (see `webapp.picks`)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, func, select

from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.wording import number
from webapp.intake import parked, quarantine
from webapp.messages import listing, picking
from webapp.messages.models import Message
from webapp.picks import kinds
from webapp.picks.kinds import Action, Before, Done, Effect

SCOPE = "archives:write"


def _effect(which: Any, ends: str) -> Callable[[Actor, Select[Any]], Effect]:
    def effect(_actor: Actor, ids: Select[Any]) -> Effect:
        chosen = ids.order_by(None).subquery()
        total = db.session.scalar(select(func.count()).select_from(chosen)) or 0
        changes = db.session.scalar(select(func.count(Message.id)).where(Message.id.in_(select(chosen.c.id)), which)) or 0
        others = f" The other {number(total - changes)} stay as they are." if total > changes else ""
        return Effect(changes, f"{picking.mails(changes)} of {number(total)} {'goes' if changes == 1 else 'go'} {ends}.{others}")

    return effect


def _apply(which: Any, do: Callable[[Actor, Message], None]) -> Callable[[Actor, list[int]], Done]:
    def apply(actor: Actor, ids: list[int]) -> Done:
        actor.require(SCOPE)
        done = Done()
        for message in picking.locked(picking.choose(actor, None, ids).where(which)):
            do(actor, message)
            done.changed[message.id] = None
        return done

    return apply


def _stays(sentence: str) -> Callable[[Actor, Mapping[int, Before]], Done]:
    return lambda _actor, _rows: Done(problem=sentence)


ACTIONS = (
    Action(
        "release", "Release", "shield", "released from quarantine", SCOPE,
        _effect(listing.FLAGS["quarantined"], "to the folder and the routes, as if the sender had been proven"),
        _apply(listing.FLAGS["quarantined"], quarantine.let_out),
        _stays("A released mail cannot be put back: its routes may have run. Delete it instead."), asks=True, only=("quarantined",),
    ),
    Action(
        "read_again", "Read again", "refresh-cw", "sent through again", SCOPE,
        _effect(listing.FLAGS["parked"], "through all steps again"), _apply(listing.FLAGS["parked"], parked.send),
        _stays("A mail that was read again cannot be parked again by hand. Delete it instead."), only=("parked",),
    ),
)  # fmt: skip


def init() -> None:
    """Add the actions to those of mail."""
    mail = kinds.get("message")
    names = {action.name for action in ACTIONS}
    kinds.register(replace(mail, actions=(*[one for one in mail.actions if one.name not in names], *ACTIONS)))
