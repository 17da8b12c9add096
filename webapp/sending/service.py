"""The sending log: what waits, what went, and the four things a person can do about it. Submitting is in the modules beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Row, Select, select, update

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import counters, queue
from webapp.core.actor import Actor
from webapp.core.db import database_now, db, is_sqlite
from webapp.core.errors import InvalidState, NotFound
from webapp.core.paging import Page, PageRequest, keyset
from webapp.mail.address import BadAddress, is_valid_domain, normalise
from webapp.mailboxes.models import Mailbox
from webapp.sending import barring, history, ledger, tally, ways
from webapp.sending.models import STATES, Attempt, Delivery, Outgoing
from webapp.sending.submitting import submit as submit
from webapp.sending.system_mail import send_system_mail as send_system_mail
from webapp.sending.why import why as sentence
from webapp.sending.writing import accepted as accepted
from webapp.sending.writing import send_mail as send_mail

#: what a list row and a single delivery show; `attempts` is their number
SHOWN = (
    Delivery.id, Delivery.outgoing_id, Outgoing.message_id, Delivery.mailbox_id, Outgoing.envelope_sender, Outgoing.from_address,
    Outgoing.subject, Outgoing.message_id_header, Outgoing.size_bytes, Outgoing.kind, Outgoing.source_type, Outgoing.source_id,
    Outgoing.request_id, Delivery.recipient, Delivery.domain, Delivery.state, Delivery.stream, Delivery.bounce, Delivery.attempts,
    Delivery.next_attempt_at, Delivery.host, Delivery.last_code, Delivery.last_reply, Delivery.last_error, Delivery.held_reason,
    Delivery.held_by, Delivery.finished_at, Delivery.created_at, Delivery.updated_at,
)  # fmt: skip
Shown = Row[Any]


def why(row: Any, now: datetime | None = None) -> str:
    """Where this delivery is and why, in one sentence; takes a row of the list or a `Delivery`."""
    return sentence(row, now or database_now())


def list_deliveries(actor: Actor, asked: PageRequest, filters: dict[str, Any]) -> Page[Shown]:
    """Deliveries of the workspace, newest first.

    filters  state, recipient (an address, or how it begins), domain, mailbox_id, outgoing_id, message_id, created_after, created_before
    """
    actor.require("deliveries:read")
    query = _filtered(_visible(actor), filters)
    return keyset(query, asked, keys=[Delivery.id], total=_known_total(actor, filters), scalars=False)


def _known_total(actor: Actor, filters: dict[str, Any]) -> int | None:
    """The exact number from a counter, where nothing narrows the list but a state; None where it has to be counted."""
    if actor.mailbox_ids is not None or actor.domain_ids is not None:
        return None
    narrowed = {name for name, value in filters.items() if value not in (None, "")}
    if narrowed == {"state"}:
        return counters.read(actor.workspace_id, ledger.counter(filters["state"]))
    return None if narrowed else counters.read(actor.workspace_id, Delivery.__tablename__)


def counts(actor: Actor) -> dict[str, int]:
    """How many deliveries of the workspace are in each state, from the counters."""
    actor.require("deliveries:read")
    found = counters.read_many(actor.workspace_id, [ledger.counter(state) for state in STATES])
    return {state: found[ledger.counter(state)] for state in STATES}


def get_delivery(actor: Actor, delivery_id: int) -> Shown:
    """One delivery as the list shows it. raises NotFound"""
    actor.require("deliveries:read")
    return _find(actor, delivery_id)


def detail(row: Shown) -> SimpleNamespace:
    """A delivery with its attempts, as the API shows one."""
    return SimpleNamespace(**row._mapping, attempt_rows=attempts_of(row.id))


def attempts_of(delivery_id: int) -> list[Attempt]:
    """Every attempt, the first one first. Check the right to see the delivery before (`get_delivery`)."""
    return list(db.session.scalars(select(Attempt).where(Attempt.delivery_id == delivery_id).order_by(Attempt.number, Attempt.id)))


def deliveries_of_message(message_id: int, limit: int = 200) -> list[Shown]:
    """Where the recipients of an archived mail stand; the caller has looked the message up."""
    query = select(*SHOWN).join(Outgoing, Outgoing.id == Delivery.outgoing_id).where(Outgoing.message_id == message_id)
    return list(db.session.execute(query.order_by(Delivery.id).limit(limit)))


# --- what a person can do ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One of the four buttons: from which states, and what it makes of the row."""

    verb: str
    possible: frozenset[str]
    #: (now, actor) -> columns
    change: Callable[[datetime, Actor], dict[str, Any]]


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


STEPS = {
    "retry": Step("retry", frozenset({"queued", "deferred", "uncertain", "bounced", "captured", "suppressed"}), _go),
    "hold": Step("hold", frozenset({"queued", "deferred", "uncertain"}), _stay),
    "release": Step("release", frozenset({"held"}), _go),
    "cancel": Step("cancel", frozenset({"queued", "deferred", "uncertain", "held"}), _end),
}


def retry(actor: Actor, delivery_id: int) -> Shown:
    """Send it now: before its time, or again although it bounced, is in doubt or was captured. raises InvalidState"""
    return _step(actor, delivery_id, STEPS["retry"])


def hold(actor: Actor, delivery_id: int) -> Shown:
    """Keep a waiting delivery back until it is released. raises InvalidState"""
    return _step(actor, delivery_id, STEPS["hold"])


def release(actor: Actor, delivery_id: int) -> Shown:
    """Let a held delivery go. raises InvalidState"""
    return _step(actor, delivery_id, STEPS["release"])


def cancel(actor: Actor, delivery_id: int) -> Shown:
    """Give a waiting delivery up for good. raises InvalidState"""
    return _step(actor, delivery_id, STEPS["cancel"])


def possible_steps(row: Any) -> list[str]:
    """The verbs that its state allows now."""
    if row.state == "captured" and ways.platform().open is None:
        return []
    return [verb for verb, step in STEPS.items() if row.state in step.possible]


def _step(actor: Actor, delivery_id: int, step: Step) -> Shown:
    actor.require("deliveries:write")
    shown = _find(actor, delivery_id)
    query = select(Delivery.state, Delivery.recipient, Delivery.outgoing_id, Delivery.next_attempt_at).where(Delivery.id == delivery_id)
    row = db.session.execute(query.with_for_update()).one()
    _check_step(row, step)
    if step.verb in ("retry", "release"):
        barring.check(actor.workspace_id, shown)
    now = database_now()
    change = step.change(now, actor)
    changed = update(Delivery).where(Delivery.id == delivery_id).values(**change, updated_at=now)
    db.session.execute(changed, execution_options={"synchronize_session": "fetch"})
    ledger.count_moves([(actor.workspace_id, row.state, change["state"])])
    ledger.refresh_copies([row.outgoing_id])
    before = {"state": row.state, "next_attempt_at": row.next_attempt_at}
    after = {"state": change["state"], "next_attempt_at": change["next_attempt_at"]}
    audit.record(actor, f"delivery.{step.verb}", Target("delivery", delivery_id, row.recipient), before=before, after=after)
    found = _find(actor, delivery_id)
    history.stepped(found, actor, step.verb, now)
    tally.spread([(actor.workspace_id, delivery_id, change["state"])])
    if change["state"] == "queued":
        queue.ring("sending.drain")
    return found


def _check_step(row: Any, step: Step) -> None:
    if row.state == "leased":
        raise InvalidState("A worker is handing this mail over right now.", hint="Wait a few seconds, look where it is, and try again.")
    if row.state not in step.possible:
        states = ", ".join(sorted(step.possible))
        raise InvalidState(f"A {row.state} delivery cannot be {PAST[step.verb]}.", hint=f"That is possible for: {states}.")
    if row.state == "captured" and ways.platform().open is None:
        hint = "Set MAILROOM_TRANSPORT to a mail server first, then send it."
        raise InvalidState("This mail is captured, and the transport still lets nothing leave.", hint=hint)


PAST = {"retry": "sent again", "hold": "held", "release": "released", "cancel": "cancelled"}


# --- looking up ------------------------------------------------------------------------------------------


def _visible(actor: Actor) -> Select[Any]:
    """Deliveries of the actor's workspace, within the limits of its token."""
    query: Any = select(*SHOWN).join(Outgoing, Outgoing.id == Delivery.outgoing_id)
    query = query.where(Delivery.workspace_id == actor.workspace_id)
    if actor.mailbox_ids is not None:
        query = query.where(Delivery.mailbox_id.in_(actor.mailbox_ids))
    if actor.domain_ids is not None:
        query = query.where(Delivery.mailbox_id.in_(select(Mailbox.id).where(Mailbox.domain_id.in_(actor.domain_ids))))
    return query


def _find(actor: Actor, delivery_id: int) -> Shown:
    row = db.session.execute(_visible(actor).where(Delivery.id == delivery_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no delivery with the id {delivery_id}.")
    return row


def _filtered(query: Select[Any], filters: dict[str, Any]) -> Select[Any]:
    for name, column in (
        ("state", Delivery.state), ("stream", Delivery.stream), ("mailbox_id", Delivery.mailbox_id), ("outgoing_id", Delivery.outgoing_id),
        ("message_id", Outgoing.message_id),
    ):  # fmt: skip
        if filters.get(name) not in (None, ""):
            query = query.where(column == filters[name])
    if domain := filters.get("domain"):
        query = query.where(Delivery.domain == _domain(domain))
    if recipient := filters.get("recipient"):
        query = _by_recipient(query, recipient.strip())
    if filters.get("created_after") is not None:
        query = query.where(Delivery.created_at >= filters["created_after"])
    if filters.get("created_before") is not None:
        query = query.where(Delivery.created_at < filters["created_before"])
    return query


def _by_recipient(query: Select[Any], text: str) -> Select[Any]:
    """A whole address, `@domain`, or the beginning of an address; each is served by an index."""
    if text.startswith("@"):
        return query.where(Delivery.domain == _domain(text[1:]))
    try:
        return query.where(Delivery.recipient == normalise(text))
    except BadAddress:
        begins = text.lower()
        if is_sqlite():  # its LIKE with an escape character does not look into the index, a range does
            return query.where(Delivery.recipient >= begins, Delivery.recipient < begins + "\U0010ffff")
        return query.where(Delivery.recipient.startswith(begins, autoescape=True))


def _domain(text: str) -> str:
    try:
        return is_valid_domain(text)
    except BadAddress:
        return text.lower()
