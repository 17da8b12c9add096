"""What the ledger tells the event stream: one event for each step of a delivery, in the transaction of the step."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, literal, null, select

from webapp.core.actor import Actor
from webapp.core.bulk import among
from webapp.core.db import UTCDateTime, db
from webapp.happenings import stream
from webapp.sending.models import Delivery, Outgoing
from webapp.sending.settle import Outcome, Waiting
from webapp.suppressions import policy

#: characters of a foreign reply that an event keeps
MOST_REPLY = 300
#: where a mailbox of this installation took it, nothing can come back later
HERE = "local"
#: what a person's button makes
STEPS = {
    "retry": "queued", "hold": "held", "release": "released", "cancel": "cancelled", "treat_as_sent": "sent", "send_again": "queued",
}  # fmt: skip


def begun(outgoing: Outgoing, reasons: Mapping[str, str]) -> None:
    """The rows of a new mail, as they begin: the database copies them itself, so that 1,000 recipients are one statement.

    reasons  recipient -> why it is suppressed
    """
    going = Delivery.outgoing_id == outgoing.id, Delivery.state != "suppressed"
    stream.note_rows_of(_copied(Delivery.created_at, Delivery.state).where(*going))
    if reasons:
        barred = select(Delivery.id, Delivery.recipient, Delivery.created_at)
        found = db.session.execute(barred.where(Delivery.outgoing_id == outgoing.id, Delivery.state == "suppressed"))
        shared = {
            "type": "suppressed", "workspace_id": outgoing.workspace_id, "outgoing_id": outgoing.id, "message_id": outgoing.message_id,
            "mailbox_id": outgoing.mailbox_id, "stream": outgoing.stream,
        }  # fmt: skip
        stream.note_many(
            {
                **shared, "at": row.created_at, "delivery_id": row.id, "recipient": row.recipient,
                "details": {"reason": reasons[row.recipient]},
            }
            for row in found
        )  # fmt: skip


def attempted(outcomes: Sequence[Outcome], changes: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """What attempts made of their rows; both in the same order, `changes` as `settle.settled` gives them."""
    rows = []
    for outcome, change in zip(outcomes, changes, strict=True):
        happened = event(outcome.row, change["state"], now, _details(outcome, change))
        rows.append(happened)
        if change["state"] == "sent" and outcome.host == HERE:
            rows.append({**happened, "type": "delivered"})
    stream.note_many(rows)
    _suppress(outcomes, changes)


def _suppress(outcomes: Sequence[Outcome], changes: Sequence[Mapping[str, Any]]) -> None:
    """Hand what was refused for good to the policy of the suppression list; refusals of our own mailboxes are none of its business."""
    failures = [
        policy.Failed(
            outcome.row.workspace_id, outcome.row.recipient, change["bounce"], change["bounce_class"],
            change["last_reply"] or change["last_error"] or "", outcome.row.id, "smtp",
        )
        for outcome, change in zip(outcomes, changes, strict=True) if change["state"] == "bounced" and outcome.host != HERE
    ]  # fmt: skip
    if failures:
        policy.bounced(failures)


def moved(rows: Iterable[tuple[Waiting, str]], now: datetime, details: Mapping[str, Any] | None = None) -> None:
    """Rows that changed without an attempt: (row, type of the event)."""
    stream.note_many(event(row, type, now, dict(details) if details else None) for row, type in rows)


def stepped(row: Any, actor: Actor, verb: str, now: datetime) -> None:
    """What a person did to one delivery; `row` as the sending log shows it, `verb` as the buttons are called."""
    stream.note(
        STEPS[verb], workspace_id=actor.workspace_id, at=now, delivery_id=row.id, outgoing_id=row.outgoing_id, message_id=row.message_id,
        mailbox_id=row.mailbox_id, recipient=row.recipient, stream=row.stream, details={"step": verb, "by": actor.name},
        campaign_id=row.campaign_id, contact_id=row.contact_id,
    )  # fmt: skip


def released(ids: Sequence[int], now: datetime) -> None:
    """Rows that were held for want of a way out go on."""
    stream.note_rows_of(_copied(literal(now, UTCDateTime()), literal("released")).where(Delivery.id.in_(ids)))


def copied(ids: Sequence[int]) -> None:
    """Rows that were just written, each with the event of its state; the database copies them itself."""
    if ids:
        stream.note_rows_of(_copied(Delivery.created_at, Delivery.state).where(among(Delivery.id, ids)))


def _copied(at: Any, type: Any) -> Select[Any]:
    """A SELECT of `stream.COLUMNS` over deliveries, in the order of their ids."""
    rows = select(
        Delivery.workspace_id, at, type, Delivery.id, Delivery.outgoing_id, Outgoing.message_id, Delivery.mailbox_id, Delivery.recipient,
        Delivery.campaign_id, Delivery.contact_id, Delivery.stream, null(),
    )  # fmt: skip
    return rows.join(Outgoing, Outgoing.id == Delivery.outgoing_id).order_by(Delivery.id)


def event(row: Waiting, type: str, now: datetime, details: dict[str, Any] | None) -> dict[str, Any]:
    """One event about a row of the ledger, as the stream takes it."""
    return {
        "type": type, "workspace_id": row.workspace_id, "at": now, "delivery_id": row.id, "outgoing_id": row.outgoing_id,
        "message_id": row.message_id, "mailbox_id": row.mailbox_id, "recipient": row.recipient, "stream": row.stream, "details": details,
        "campaign_id": row.campaign_id, "contact_id": row.contact_id,
    }  # fmt: skip


def _details(outcome: Outcome, change: Mapping[str, Any]) -> dict[str, Any]:
    said = change.get("last_reply") or change.get("last_error") or ""
    found = {
        "host": outcome.host, "code": outcome.result.code, "reply": said[:MOST_REPLY], "attempt": change.get("attempts"),
        "bounce": change.get("bounce"), "class": change.get("bounce_class"),
    }  # fmt: skip
    return {name: value for name, value in found.items() if value not in (None, "")}
