"""What sending knows about an archived mail: its steps for the timeline, and a clause for the answering sentence."""

from collections import Counter

from sqlalchemy import func, select

from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.states import state_word
from webapp.messages.models import Message
from webapp.messages.timeline import Step
from webapp.sending.models import Attempt, Delivery, Outgoing

#: attempts shown on one message; the sending log has them all
MOST_STEPS = 50
#: states that no attempt tells
UNTOLD = ("captured", "cancelled", "held", "suppressed")
TITLES = {
    "sent": "Handed over for {}", "retry": "Not taken yet for {}", "failed": "Refused for {}", "uncertain": "No answer for {}",
}  # fmt: skip
STATES = {"sent": "sent", "retry": "deferred", "failed": "bounced", "uncertain": "uncertain"}


def steps(_actor: Actor, message: Message) -> list[Step]:
    """How the mail left: accepted, each attempt, captured or cancelled."""
    if message.direction != "sent":
        return []
    found: list[Step] = []
    for outgoing in db.session.scalars(select(Outgoing).where(Outgoing.message_id == message.id).order_by(Outgoing.id).limit(5)):
        number = db.session.scalar(select(func.count()).select_from(Delivery).where(Delivery.outgoing_id == outgoing.id)) or 0
        found.append(Step(outgoing.created_at, "Accepted for sending", f"For {_people(number)}.", "accepted"))
        found += _attempts(outgoing.id) + _endings(outgoing.id)
    return found


def _attempts(outgoing_id: int) -> list[Step]:
    query = select(Attempt.at, Attempt.outcome, Attempt.host, Attempt.text, Delivery.id, Delivery.recipient)
    query = query.join(Delivery, Delivery.id == Attempt.delivery_id).where(Delivery.outgoing_id == outgoing_id)
    return [
        Step(
            row.at, TITLES.get(row.outcome, "Tried for {}").format(row.recipient),
            "Into the mailbox here." if row.host == "local" else f"By {row.host}." if row.host else "",
            STATES.get(row.outcome, "done"), row.text, f"/queue/{row.id}",
        )
        for row in db.session.execute(query.order_by(Attempt.id.desc()).limit(MOST_STEPS))
    ]  # fmt: skip


def _endings(outgoing_id: int) -> list[Step]:
    """What no attempt tells."""
    query = select(Delivery.state, func.count(), func.max(Delivery.updated_at), func.min(Delivery.id))
    query = query.where(Delivery.outgoing_id == outgoing_id, Delivery.state.in_(UNTOLD)).group_by(Delivery.state)
    found = []
    for state, number, at, first in db.session.execute(query):
        url = f"/queue/{first}" if number == 1 else None
        found.append(Step(at, state.capitalize(), f"{_people(number)}.", state, "", url))
    return found


def _people(number: int) -> str:
    return "1 recipient" if number == 1 else f"{number:,} recipients"


def clause(_actor: Actor, message: Message) -> str | None:
    """Of a mail with several recipients: how many stand where."""
    if message.direction != "sent":
        return None
    query = select(Delivery.state, func.count().label("number")).join(Outgoing, Outgoing.id == Delivery.outgoing_id)
    rows = db.session.execute(query.where(Outgoing.message_id == message.id).group_by(Delivery.state))
    tally = Counter({row.state: row.number for row in rows})
    if tally.total() < 2:
        return None
    return "of its recipients " + ", ".join(f"{number:,} {state_word(state)}" for state, number in tally.most_common())
