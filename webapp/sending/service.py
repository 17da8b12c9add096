"""Where mail stands on its way out, and what a person can do about it. Submitting, lists, steps and orders are in the modules beside it."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core.actor import Actor
from webapp.core.db import database_now, db
from webapp.sending import attempts, barring
from webapp.sending.listing import SHOWN as SHOWN
from webapp.sending.listing import Shown as Shown
from webapp.sending.listing import counts as counts
from webapp.sending.listing import find
from webapp.sending.listing import list_deliveries as list_deliveries
from webapp.sending.models import Delivery, Outgoing
from webapp.sending.steps import STEPS, take_one
from webapp.sending.steps import possible_steps as possible_steps
from webapp.sending.submitting import submit as submit
from webapp.sending.system_mail import send_system_mail as send_system_mail
from webapp.sending.why import why as sentence
from webapp.sending.writing import accepted as accepted
from webapp.sending.writing import send_mail as send_mail


def why(row: Any, now: datetime | None = None) -> str:
    """Where this delivery is and why, in one sentence; takes a row of the list or a `Delivery`."""
    return sentence(row, now or database_now())


def get_delivery(actor: Actor, delivery_id: int) -> Shown:
    """One delivery as the list shows it. raises NotFound"""
    actor.require("deliveries:read")
    return find(actor, delivery_id)


def detail(row: Shown) -> SimpleNamespace:
    """A delivery with its attempts, as the API shows one."""
    return SimpleNamespace(**row._mapping, attempt_rows=attempts.of(row.id))


def deliveries_of_message(message_id: int, limit: int = 200) -> list[Shown]:
    """Where the recipients of an archived mail stand; the caller has looked the message up."""
    query = select(*SHOWN).join(Outgoing, Outgoing.id == Delivery.outgoing_id).where(Outgoing.message_id == message_id)
    return list(db.session.execute(query.order_by(Delivery.id).limit(limit)))


# --- what a person can do ------------------------------------------------------------------------------


def retry(actor: Actor, delivery_id: int) -> Shown:
    """Send it now: before its time, or again although it bounced, is in doubt or was captured. raises InvalidState"""
    return step(actor, delivery_id, "retry")


def hold(actor: Actor, delivery_id: int) -> Shown:
    """Keep a waiting delivery back until it is released. raises InvalidState"""
    return step(actor, delivery_id, "hold")


def release(actor: Actor, delivery_id: int) -> Shown:
    """Let a held delivery go. raises InvalidState"""
    return step(actor, delivery_id, "release")


def cancel(actor: Actor, delivery_id: int) -> Shown:
    """Give a waiting delivery up for good. raises InvalidState"""
    return step(actor, delivery_id, "cancel")


def treat_as_sent(actor: Actor, delivery_id: int) -> Shown:
    """Of one in doubt: it arrived, and is left alone from now on. raises InvalidState"""
    return step(actor, delivery_id, "treat_as_sent")


def send_again(actor: Actor, delivery_id: int) -> Shown:
    """Of one in doubt: it goes once more with the same Message-ID, and may arrive twice. raises InvalidState"""
    return step(actor, delivery_id, "send_again")


def step(actor: Actor, delivery_id: int, verb: str) -> Shown:
    """One of `STEPS`, audited. raises InvalidState where the state does not allow it"""
    actor.require("deliveries:write")
    row = find(actor, delivery_id)
    if verb in ("retry", "release", "send_again"):
        barring.check(actor.workspace_id, row)
    before = take_one(actor, row, STEPS[verb])
    found = find(actor, delivery_id)
    was = {"state": before["state"], "next_attempt_at": before["next_attempt_at"]}
    after = {"state": found.state, "next_attempt_at": found.next_attempt_at}
    audit.record(actor, f"delivery.{verb}", Target("delivery", delivery_id, row.recipient), before=was, after=after)
    return found
