"""Recipients of this installation: what sending hands over goes straight into their mailbox."""

import time

from webapp.core.config import settings
from webapp.intake import recipients
from webapp.mail import status
from webapp.mail.mime_parse import split_raw
from webapp.mail.smtp_out import SendResult
from webapp.messages import admission, store
from webapp.messages.admission import Asked
from webapp.sending.models import Delivery, Outgoing

MOST_HOPS = 50
#: kinds of outgoing mail whose content comes from a login or from ourselves
TRUSTED = frozenset({"api", "smtp", "auto_reply", "system"})


def is_local(address: str) -> bool:
    """Whether a mailbox here stands behind the address, whatever its state: what it refuses is refused here, not sent elsewhere."""
    return recipients.resolve(address).domain is not None


def deliver(outgoing: Outgoing, delivery: Delivery, raw: bytes) -> SendResult:
    """Store the copy in the caller's transaction."""
    began = time.monotonic()
    reply = _refusal(delivery.recipient, raw) or _store(outgoing, delivery, raw)
    code, _, text = reply.partition(" ")
    outcome = {"2": "sent", "4": "retry"}.get(code[0], "failed")
    dialogue = [f"* into the mailbox of {delivery.recipient}", f"S: {reply}"]
    return SendResult(delivery.recipient, outcome, int(code), text, dialogue, time.monotonic() - began)


def _refusal(recipient: str, raw: bytes) -> str | None:
    found = recipients.resolve(recipient)
    refusal = recipients.refusal(found, trusted=True)
    if refusal is not None or found.mailbox is None:
        return refusal or status.MAILBOX_UNKNOWN
    over = admission.admit([[Asked(found.mailbox, "received", len(raw))]])[0]
    if over is not None:
        return recipients.no_room(over)
    head, _ = split_raw(raw)
    lines = [line.strip().lower() for line in head.split(b"\n")]
    if b"delivered-to: " + recipient.encode() in lines or sum(line.startswith(b"received:") for line in lines) > MOST_HOPS:
        return "554 5.4.6 The message was in this mailbox before; it is going in circles"
    return None


def _store(outgoing: Outgoing, delivery: Delivery, raw: bytes) -> str:
    mailbox = recipients.resolve(delivery.recipient).mailbox
    if mailbox is None:
        return status.MAILBOX_UNKNOWN
    message = store.store_message(
        workspace_id=mailbox.workspace_id, mailbox_id=mailbox.id, direction="received",
        raw=b"Delivered-To: " + delivery.recipient.encode() + b"\r\n" + raw, envelope_sender=outgoing.envelope_sender,
        envelope_recipients=[delivery.recipient], recipient=delivery.recipient, trusted=outgoing.kind in TRUSTED,
        helo=settings().hostname, request_id=outgoing.request_id, is_system=outgoing.kind == "system",
    )  # fmt: skip
    return status.stored_as(message.id)
