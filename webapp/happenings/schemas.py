"""Shapes of the event stream on the wire."""

from marshmallow import fields

from webapp.core.shapes import Choice, DayStart, IdText, Line, Shape
from webapp.happenings.models import TYPES

MEANINGS = "; ".join(f"`{name}`: {meaning[0].lower()}{meaning[1:]}" for name, meaning in TYPES.items())


class EventOut(Shape):
    id = fields.Integer(required=True)
    at = fields.DateTime(required=True)
    type = Choice(*TYPES, required=True, metadata={"description": MEANINGS})
    delivery_id = fields.Integer(required=True, allow_none=True)
    outgoing_id = fields.Integer(required=True, allow_none=True)
    archive_id = fields.Integer(required=True, allow_none=True, attribute="message_id")
    mailbox_id = fields.Integer(required=True, allow_none=True)
    recipient = fields.String(required=True, allow_none=True)
    campaign_id = fields.Integer(required=True, allow_none=True)
    contact_id = fields.Integer(required=True, allow_none=True)
    stream = Choice("transactional", "bulk", required=True, allow_none=True)
    details = fields.Dict(required=True, allow_none=True, metadata={"description": "The few facts that the type needs"})


class EventQuery(Shape):
    type = Choice(*TYPES)
    recipient = Line(254, metadata={"description": "A whole address"})
    mailbox_id = IdText()
    delivery_id = IdText()
    since = DayStart()
    until = DayStart(end=True)
