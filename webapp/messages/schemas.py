"""Shapes of archived mail on the wire (reference/mailtrigger.md sections 2.7 and 3.4)."""

from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from webapp.core.shapes import Choice, Count, DayStart, Id, Line, Made, Shape, Time
from webapp.mail.address import parse_address_list
from webapp.messages.models import DIRECTIONS, STATES

LANGUAGE = 'Words anywhere, "a phrase", beginn*, from:, to:, subject:, file:, has:attachment, is:unread, before: or after:2026-09-01'
#: longest list of addresses that is remembered, in characters
MOST_KEPT = 300
#: documented spellings beside ours
SPELLINGS = {
    "hasAttachments": "has_attachments", "isTest": "is_test", "createdTime_after": "created_after", "createdTime_before": "created_before",
}  # fmt: skip


class Day(fields.Field[Any]):
    """A day in UTC or a moment, as the span that it means: (from, until), the end exclusive."""

    def __init__(self, **kwargs: Any) -> None:
        words = "YYYY-MM-DD (the whole day in UTC) or ISO 8601 (that second)"
        super().__init__(metadata={"type": "string", "description": words}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[datetime, datetime]:
        try:
            text = str(value).strip()
            if len(text) == 10:
                start = datetime.combine(datetime.fromisoformat(text).date(), time(), UTC)
                return start, start + timedelta(days=1)
            moment = datetime.fromisoformat(text)
            start = (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)).replace(microsecond=0)
            return start, start + timedelta(seconds=1)
        except (ValueError, OverflowError):
            raise ValidationError("Write a date as YYYY-MM-DD or a time as ISO 8601.") from None


class ArchiveQuery(Shape):
    """Filters of the archive; they combine with AND. Upper bounds include the day that they name."""

    sender = Line(most=320, metadata={"description": "Part of the sender's address or name, any case"})
    receivers = Line(most=320, metadata={"description": "Part of a receiver's address or name, any case"})
    subject = Line(most=500, metadata={"description": "Part of the subject, any case"})
    body = Line(most=500, metadata={"description": "Part of the text, any case"})
    has_attachments = fields.Boolean()
    date_after = DayStart()
    date_before = DayStart(end=True)
    date_exact = Day()
    created_after = DayStart()
    created_before = DayStart(end=True)
    search = fields.String(validate=validate.Length(max=1000), metadata={"description": LANGUAGE})
    direction = Choice(*DIRECTIONS)
    quarantined = fields.Boolean()
    parked = fields.Boolean(metadata={"description": "Mail whose processing was given up; it can be read again"})
    is_test = fields.Boolean()
    folder = Line(most=200, metadata={"description": "INBOX; without it mail of every folder and of none"})
    hasAttachments = fields.Boolean(metadata={"description": "Same as has_attachments"})
    isTest = fields.Boolean(metadata={"description": "Same as is_test"})
    createdTime_after = DayStart()
    createdTime_before = DayStart(end=True)

    @post_load
    def one_spelling(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Our names alone, the exact date as a span."""
        for theirs, ours in SPELLINGS.items():
            if theirs in data:
                data.setdefault(ours, data.pop(theirs))
                data.pop(theirs, None)
        if exact := data.pop("date_exact", None):
            data["date_after"] = max(filter(None, (data.get("date_after"), exact[0])))
            data["date_before"] = min(filter(None, (data.get("date_before"), exact[1])))
        return data


class AttachmentSchema(Shape):
    """One file of a mail; `number` counts from 1 and is what the download address takes."""

    number = Count(least=1, required=True)
    filename = fields.String(required=True)
    content_type = fields.String(required=True)
    size = Count(required=True)
    content_id = fields.String(required=True, allow_none=True)
    inline = fields.Boolean(required=True)


class ArchiveSchema(Shape):
    """A mail in a list."""

    id = Id(required=True)
    mailbox_id = Id(required=True, allow_none=True)
    mailbox = fields.String(required=True, allow_none=True, metadata={"description": "Address of the mailbox"})
    direction = Choice(*DIRECTIONS, required=True)
    state = Choice(*STATES, required=True)
    sender = fields.String(required=True)
    sender_name = fields.String(required=True)
    receivers = Made(lambda text: addresses(text), fields.String(), attribute="receivers_text")
    cc = Made(lambda text: addresses(text), fields.String(), attribute="cc_text")
    subject = fields.String(required=True)
    preview = fields.String(required=True)
    date = Time(required=True, allow_none=True)
    created_at = Time(required=True)
    message_id = fields.String(attribute="message_id_header", required=True, allow_none=True)
    envelope_sender = fields.String(required=True)
    recipient = fields.String(required=True, allow_none=True, metadata={"description": "The address that this copy came in for"})
    size = Count(attribute="size_bytes", required=True)
    has_attachments = fields.Boolean(required=True)
    attachments = fields.List(fields.Nested(AttachmentSchema), required=True)
    folder = fields.String(required=True, allow_none=True)
    seen = fields.Boolean(required=True)
    quarantined = fields.Boolean(required=True)
    trusted = fields.Boolean(required=True)
    is_test = fields.Boolean(required=True)
    parse_limited = fields.Boolean(required=True)
    problem = fields.String(required=True, allow_none=True)
    delivery_state = fields.String(required=True, allow_none=True)


class TimelineStep(Shape):
    """One thing that happened to a mail."""

    at = Time(required=True)
    title = fields.String(required=True)
    text = fields.String(required=True)
    state = fields.String(required=True)


class ArchivedMail(ArchiveSchema):
    """A whole mail."""

    body = fields.String(required=True, metadata={"description": "The text; made from the HTML where the mail has none"})
    html = fields.String(required=True, allow_none=True)
    headers = fields.List(fields.List(fields.String()), required=True, metadata={"description": "[name, value], decoded, in their order"})
    in_reply_to = fields.String(required=True, allow_none=True)
    envelope_recipients = fields.List(fields.String(), required=True)
    auth_results = fields.Raw(attribute="auth_verdict", required=True, allow_none=True, metadata={"type": ["object", "null"]})
    repeats_id = Id(required=True, allow_none=True, metadata={"description": "The mail that its sender repeated with this one"})
    why = fields.String(required=True, metadata={"description": "Where it is and why, in one sentence"})
    timeline = fields.List(fields.Nested(TimelineStep), required=True)


def addresses(text: str) -> list[str]:
    """The addresses of a list as `messages` keeps it."""
    return list(_short(text) if len(text) <= MOST_KEPT else _addresses(text)) if text else []


def _addresses(text: str) -> tuple[str, ...]:
    return tuple(address for _, address in parse_address_list(text))


#: most mail goes to few lists of receivers, and a page of mail reads each of them 25 times
_short = lru_cache(2000)(_addresses)
