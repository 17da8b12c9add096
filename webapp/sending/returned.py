"""What comes back later about a mail that was taken: the ledger learns of it, the event stream, and the suppression list.

The row of a mail that the next server took with 2xx becomes `bounced`, and keeps one more entry among its attempts, which says that the
refusal came by mail. A row that ended otherwise, or bounced before, stays as it is, so a report counts once however often it comes.
"""

from dataclasses import dataclass

from sqlalchemy import select, update

from webapp.core import events
from webapp.core.bulk import insert_rows
from webapp.core.db import database_now, db
from webapp.happenings import stream
from webapp.mail.bounce import Recipient
from webapp.sending import history, ledger, settle, tally
from webapp.sending.models import Attempt, Delivery
from webapp.sending.settle import Waiting
from webapp.suppressions import policy

#: states in which the other side may still say no
OPEN = frozenset({"sent", "uncertain"})
HERE = "local"


@dataclass(frozen=True)
class Word:
    """One recipient of a report that came in.

    message_id  the mail that reported it
    counts      whether it may put the address on the suppression list: the report came to a return path that we signed, or its mail had
                this one recipient, so that nobody else knows its Message-ID
    """

    recipient: Recipient
    message_id: int
    counts: bool


def hear(delivery_id: int, word: Word) -> str | None:
    """Take a report about one delivery. returns what it changed, in a few words; None: nothing"""
    db.session.execute(select(Delivery.id).where(Delivery.id == delivery_id).with_for_update())
    row = next(iter(ledger.waiting(Delivery.id == delivery_id)), None)
    if row is None or row.envelope_sender == "":
        return None
    if word.recipient.action == "failed":
        return _bounce(row, word) if row.state in OPEN else None
    if row.state != "sent":
        return None
    if word.recipient.action == "delayed":
        stream.note_many([history.event(row, "deferred", database_now(), _details(word))])
        return "delayed"
    if word.recipient.action == "delivered" and word.counts:
        stream.note_many([history.event(row, "delivered", database_now(), _details(word))])
        return "delivered"
    return None


def _bounce(row: Waiting, word: Word) -> str:
    now, told = database_now(), word.recipient
    bounce = "hard" if told.hard else "soft"
    said = settle.storable(told.diagnostic or told.status or "refused")
    code = int(told.reply_code) if told.reply_code.isdigit() else None
    change = {
        "state": "bounced", "bounce": bounce, "bounce_class": told.kind, "last_code": code, "last_reply": said if code else None,
        "last_error": None if code else said, "next_attempt_at": None, "on_wire_at": None, "finished_at": now, "updated_at": now,
    }  # fmt: skip
    db.session.execute(update(Delivery).where(Delivery.id == row.id).values(change), execution_options={"synchronize_session": "fetch"})
    _note_attempt(row, word, said, code)
    event_id = stream.add(**history.event(row, "bounced", now, {**_details(word), "bounce": bounce}))
    tally.tell_moves([(row, row.state, "bounced")])
    if word.counts:
        failed = policy.Failed(
            row.workspace_id, row.recipient, bounce, told.kind, said, row.id, "report", event_id=event_id, message_id=word.message_id
        )
        policy.bounced([failed])
    return "bounced"


def _note_attempt(row: Waiting, word: Word, said: str, code: int | None) -> None:
    host = settle.storable(word.recipient.remote_host) or row.recipient.rpartition("@")[2]
    dialogue = [f"-- the mail was taken; a report of {host} came back later", f"S: {said}"]
    names = ("delivery_id", "number", "at", "host", "outcome", "code", "text", "seconds", "dialogue")
    insert_rows(Attempt, names, [(row.id, max(row.attempts, 1), database_now(), host, "failed", code, said, 0.0, dialogue)])


def _details(word: Word) -> dict[str, object]:
    told = word.recipient
    found: dict[str, object] = {
        "reported": True, "class": told.kind, "status": told.status, "code": told.reply_code,
        "reply": told.diagnostic[: history.MOST_REPLY], "host": told.remote_host, "report_id": word.message_id,
    }  # fmt: skip
    return {name: settle.storable(value) if isinstance(value, str) else value for name, value in found.items() if value not in (None, "")}


def complain(delivery_id: int, *, message_id: int, feedback_type: str, reporter: str) -> bool:
    """The recipient of this delivery called it spam. returns whether that is news"""
    db.session.execute(select(Delivery.id).where(Delivery.id == delivery_id).with_for_update())
    row = next(iter(ledger.waiting(Delivery.id == delivery_id)), None)
    if row is None or row.state not in {"sent", "uncertain", "bounced"}:
        return False
    details = {"feedback": settle.storable(feedback_type), "reporter": settle.storable(reporter), "report_id": message_id}
    event_id = stream.add(**history.event(row, "complained", database_now(), details))
    said = f"{feedback_type} report{f' by {reporter}' if reporter else ''}"
    policy.complained(
        row.workspace_id, row.recipient, row.stream, said=settle.storable(said), delivery_id=row.id, event_id=event_id,
        message_id=message_id,
    )  # fmt: skip
    events.send("delivery_complained", delivery_id=row.id)
    return True
