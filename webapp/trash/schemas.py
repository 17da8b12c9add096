"""Shapes of the trash on the wire."""

from marshmallow import fields

from webapp.core.shapes import Line, Shape


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
