"""Shapes of the trash on the wire."""

from marshmallow import fields, validate

from webapp.core.shapes import Count, Id, Line, Shape
from webapp.trash.service import MOST


class TrashedSchema(Shape):
    kind = fields.String(required=True, metadata={"description": "domain, mailbox, message, rule, action, route …"})
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    deleted_at = fields.DateTime(required=True)
    purged_at = fields.DateTime(required=True, metadata={"description": "when it will be gone for good"})


class RestoredSchema(Shape):
    kind = fields.String(required=True)
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    message = fields.String(required=True)


class TrashQuery(Shape):
    kind = Line(40)
    search = Line(200, metadata={"description": "a part of the name"})


class ItemSchema(Shape):
    kind = Line(40, least=1, required=True)
    id = Id(required=True)


class ItemsSchema(Shape):
    items = fields.List(fields.Nested(ItemSchema), required=True, validate=validate.Length(1, MOST))


class RefusedSchema(Shape):
    kind = fields.String(required=True)
    id = fields.Integer(required=True)
    reason = fields.String(required=True)


class OutcomeSchema(Shape):
    restored = Count(required=True)
    items = fields.List(fields.Nested(ItemSchema), required=True, metadata={"description": "what came back"})
    refused = fields.List(fields.Nested(RefusedSchema), required=True, metadata={"description": "what did not, and why"})
