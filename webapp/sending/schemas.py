"""Shapes of sending on the wire: the mail of `mail/send` (reference/mailtrigger.md 3.3) and the ledger's rows."""

from typing import Any

from marshmallow import fields, validate

from webapp.core.db import database_now
from webapp.core.shapes import Choice, Count, DayStart, Id, IdText, Line, Long, Shape
from webapp.sending import why
from webapp.sending.models import STATES, STREAMS
from webapp.sending.submitting import MOST_RECIPIENTS
from webapp.sending.writing import MOST_ATTACHMENTS, MOST_HEADERS
from webapp.standstill import service as standstill

#: text and HTML of one mail, in characters; the size of the whole mail is limited by the mailbox
MOST_TEXT = 10_000_000


class AttachmentIn(Shape):
    filename = Line(255, least=1, required=True)
    content_type = Line(120, load_default="application/octet-stream")
    content = fields.String(required=True, metadata={"format": "byte", "description": "The file in base64"})
    content_id = Line(120, load_default=None, allow_none=True, metadata={"description": "For `cid:` links in the HTML part"})


def _receivers(required: bool = False) -> Any:
    text = {"description": "Addresses, as `ada@example.com` or `Ada <ada@example.com>`"}
    if required:
        return fields.List(Line(1000), required=True, validate=validate.Length(min=1, max=MOST_RECIPIENTS), metadata=text)
    return fields.List(Line(1000), load_default=list, validate=validate.Length(max=MOST_RECIPIENTS), metadata=text)


class MailIn(Shape):
    receivers = _receivers(required=True)
    cc = _receivers()
    bcc = _receivers()
    subject = Line(998, load_default="")
    body = Long(MOST_TEXT, load_default=None, allow_none=True, metadata={"description": "Plain text"})
    html = Long(MOST_TEXT, load_default=None, allow_none=True)
    reply_to = Line(1000, load_default=None, allow_none=True)
    headers = fields.Dict(
        keys=fields.String(), values=fields.String(), load_default=dict, validate=validate.Length(max=MOST_HEADERS),
        metadata={"description": "Further headers; those that the server writes itself are refused"},
    )  # fmt: skip
    attachments = fields.List(fields.Nested(AttachmentIn), load_default=list, validate=validate.Length(max=MOST_ATTACHMENTS))
    run_routes = fields.Boolean(load_default=True, metadata={"description": "Whether the mailbox's outgoing routes run on it"})


class MailAccepted(Shape):
    archive_id = fields.Integer(required=True, metadata={"description": "Its copy in the mailbox's archive"})
    message_id = fields.String(required=True, metadata={"description": "The Message-ID header"})
    status = Choice("queued", required=True)


class AttemptOut(Shape):
    number = fields.Integer(required=True)
    at = fields.DateTime(required=True)
    host = fields.String(required=True)
    outcome = Choice("sent", "retry", "failed", "uncertain", required=True)
    code = fields.Integer(required=True, allow_none=True)
    text = fields.String(required=True)
    dialogue = fields.List(fields.String(), required=True, metadata={"description": "What both sides said; passwords masked"})
    seconds = fields.Float(
        required=True, metadata={"description": "How long it took; 0 where that is not kept, as of a campaign's copy taken at once"}
    )


class DeliveryOut(Shape):
    id = fields.Integer(required=True)
    outgoing_id = fields.Integer(required=True)
    archive_id = fields.Integer(required=True, allow_none=True, attribute="message_id")
    mailbox_id = fields.Integer(required=True, allow_none=True)
    message_id = fields.String(required=True, attribute="message_id_header", metadata={"description": "The Message-ID header"})
    sender = fields.String(required=True, attribute="from_address")
    envelope_sender = fields.String(required=True)
    subject = fields.String(required=True)
    recipient = fields.String(required=True)
    domain = fields.String(required=True)
    state = Choice(*STATES, required=True)
    why = fields.Function(lambda row: why.why(row, database_now(), standstill.stands()), required=True, metadata={"type": "string"})
    bounce = Choice("hard", "soft", "expired", required=True, allow_none=True)
    stream = Choice(*STREAMS, required=True)
    kind = fields.String(required=True)
    attempt_count = fields.Integer(required=True, attribute="attempts")
    next_attempt_at = fields.DateTime(required=True, allow_none=True)
    host = fields.String(required=True, allow_none=True)
    last_code = fields.Integer(required=True, allow_none=True)
    last_reply = fields.String(required=True, allow_none=True)
    last_error = fields.String(required=True, allow_none=True)
    held_reason = fields.String(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)
    finished_at = fields.DateTime(required=True, allow_none=True)


class DeliveryDetail(DeliveryOut):
    attempts = fields.List(fields.Nested(AttemptOut), required=True, attribute="attempt_rows")


class OrderFilter(Shape):
    """Which deliveries; at least one of these."""

    state = Choice(*STATES)
    stream = Choice(*STREAMS)
    recipient = Line(254, metadata={"description": "An address, how it begins, or @domain"})
    domain = Line(253)
    mailbox_id = Id()
    outgoing_id = Id()
    older_than_s = Count(least=1, most=10**9, metadata={"description": "Accepted longer ago than this, in seconds"})
    ids = fields.List(Id(), validate=validate.Length(min=1, max=1000))


class OrderIn(Shape):
    filter = fields.Nested(OrderFilter, required=True)
    preview = fields.Boolean(load_default=False, metadata={"description": "Only say what would happen"})


class OrderOut(Shape):
    id = fields.Integer(required=True, allow_none=True, metadata={"description": "null in a preview"})
    status = Choice("preview", "running", "done", "stopped", required=True)
    verb = fields.String(required=True)
    total = fields.Integer(required=True, metadata={"description": "Deliveries for which it was possible when it was asked"})
    changed = fields.Integer(required=True)
    sentence = fields.String(required=True)
    by_state = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True,
                           metadata={"description": "What the filter finds; in a preview alone"})  # fmt: skip
    finished_at = fields.DateTime(required=True, allow_none=True)


class HoldIn(Shape):
    domain = Line(253, load_default=None, allow_none=True, metadata={"description": "Recipients at this domain"})
    mailbox_id = Id(load_default=None, allow_none=True, metadata={"description": "Mail of this mailbox"})
    reason = Line(200, load_default="")


class HoldOut(Shape):
    id = fields.Integer(required=True)
    domain = fields.String(required=True, allow_none=True)
    mailbox_id = fields.Integer(required=True, allow_none=True)
    reason = fields.String(required=True)
    held_by = fields.String(required=True)
    state = Choice("applying", "active", "lifting", required=True)
    created_at = fields.DateTime(required=True)


class DestinationOut(Shape):
    domain = fields.String(required=True)
    waiting = fields.Integer(required=True)
    deferred = fields.Integer(required=True)
    uncertain = fields.Integer(required=True)
    held = fields.Integer(required=True)
    oldest_at = fields.DateTime(required=True, metadata={"description": "When the oldest of them was accepted"})
    last_reply = fields.String(required=True, allow_none=True)
    hold_id = fields.Integer(required=True, allow_none=True, metadata={"description": "The hold that keeps all of it back"})


class DeliveryQuery(Shape):
    state = Choice(*STATES)
    stream = Choice(*STREAMS)
    recipient = Line(254, metadata={"description": "An address, how it begins, or @domain"})
    domain = Line(253)
    mailbox_id = IdText()
    outgoing_id = IdText()
    archive_id = IdText(attribute="message_id")
    created_after = DayStart()
    created_before = DayStart(end=True)
