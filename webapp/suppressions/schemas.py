"""Shapes of the suppression list on the wire."""

from marshmallow import fields

from webapp.core.shapes import Choice, DayStart, Line, Long, Shape
from webapp.suppressions.models import REASONS, SCOPES, SOURCES

ONE = {"description": "`all` mail, or one stream: whoever unsubscribed from `bulk` mail still gets `transactional` mail"}


class SuppressionIn(Shape):
    address = Line(254, least=3, required=True)
    reason = Choice(*REASONS, load_default="manual")
    scope = Choice(*SCOPES, load_default="all", metadata=ONE)
    note = Long(500, load_default=None, allow_none=True)


class SuppressionOut(Shape):
    id = fields.Integer(required=True)
    address = fields.String(required=True, allow_none=True, metadata={"description": "null once the person was erased"})
    reason = Choice(*REASONS, required=True)
    scope = Choice(*SCOPES, required=True, metadata=ONE)
    source = Choice(*SOURCES, required=True)
    added_by = fields.String(required=True, allow_none=True)
    note = fields.String(required=True, allow_none=True)
    said = fields.String(required=True, allow_none=True, metadata={"description": "Words of the server or the report that caused it"})
    delivery_id = fields.Integer(required=True, allow_none=True)
    event_id = fields.Integer(required=True, allow_none=True)
    archive_id = fields.Integer(required=True, allow_none=True, attribute="message_id", metadata={"description": "The report that came in"})
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class SuppressionQuery(Shape):
    address = Line(254, metadata={"description": "A whole address, which finds erased people too, or how it begins"})
    reason = Choice(*REASONS)
    scope = Choice(*SCOPES)
    source = Choice(*SOURCES)
    created_after = DayStart()
    created_before = DayStart(end=True)


class SuppressionsImport(Shape):
    preview = fields.Boolean(load_default=False, metadata={"description": "Only say what would happen"})


class SuppressionWrong(Shape):
    line = fields.Integer(required=True)
    text = fields.String(required=True)
    message = fields.String(required=True)


class SuppressionsImported(Shape):
    preview = fields.Boolean(required=True)
    rows = fields.Integer(required=True)
    new = fields.Integer(required=True)
    known = fields.Integer(required=True, metadata={"description": "On the list already"})
    repeated = fields.Integer(required=True, metadata={"description": "In the file twice"})
    wrong = fields.Integer(required=True)
    errors = fields.List(fields.Nested(SuppressionWrong), required=True, metadata={"description": "The first 100 rows that were wrong"})


class SuppressionErase(Shape):
    address = Line(254, least=3, required=True)


class SuppressionErased(Shape):
    erased = fields.Integer(required=True, metadata={"description": "Rows that know the person by a hash alone now"})
