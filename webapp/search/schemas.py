"""Shapes of search on the wire."""

from marshmallow import fields, validate

from webapp.core.shapes import Count, Line, Shape
from webapp.search.language import KINDS, LONGEST


class SearchQuery(Shape):
    q = Line(
        LONGEST, load_default="", metadata={"description": "Words and prefixes, such as from: subject: has: is: before: token: in:"}
    )  # fmt: skip
    limit = fields.Integer(load_default=5, validate=validate.Range(1, 25), metadata={"description": "Hits of each kind, 1 to 25"})


class HitSchema(Shape):
    kind = fields.String(required=True, metadata={"description": ", ".join(KINDS)})
    id = fields.Integer(required=True, allow_none=True)
    name = fields.String(required=True)
    detail = fields.String(required=True)
    state = fields.String(required=True, allow_none=True)
    at = fields.DateTime(required=True, allow_none=True)
    page = fields.String(required=True, allow_none=True, metadata={"description": "where the dashboard shows it"})


class GroupSchema(Shape):
    kind = fields.String(required=True)
    label = fields.String(required=True)
    total = Count(required=True)
    total_is_capped = fields.Boolean(required=True, metadata={"description": "there are more than `total`"})
    items = fields.List(fields.Nested(HitSchema), required=True)


class FoundSchema(Shape):
    query = fields.String(required=True)
    notes = fields.List(fields.String(), required=True, metadata={"description": "what was not understood, in sentences"})
    groups = fields.List(fields.Nested(GroupSchema), required=True)
