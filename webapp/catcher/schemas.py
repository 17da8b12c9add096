"""Shapes of the request catcher on the wire."""

from typing import Any

from marshmallow import fields

from webapp.core.shapes import Shape


class CatcherSchema(Shape):
    id = fields.Integer(required=True, allow_none=True)
    url = fields.String(
        required=True, allow_none=True, metadata={"description": "takes any request; add ?status=503 to have it refuse; null: not open"}
    )
    created_at = fields.DateTime(required=True, allow_none=True)
    updated_at = fields.DateTime(required=True, allow_none=True)


class CaughtSchema(Shape):
    id = fields.Integer(required=True)
    method = fields.String(required=True)
    query = fields.String(required=True)
    headers = fields.List(fields.List(fields.String()), required=True, metadata={"description": "pairs of name and value"})
    body = fields.String(required=True, metadata={"description": "the first 64 KB, as text"})
    size_bytes = fields.Integer(required=True)
    answered = fields.Integer(required=True, metadata={"description": "status that the catcher answered"})
    ip = fields.String(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)


class Cleared(Shape):
    cleared: Any = fields.Integer(required=True, metadata={"description": "how many requests were thrown away"})
