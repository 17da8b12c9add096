"""Shapes of segments on the wire; what a condition may be is described from the tables of the language."""

from typing import Any

from marshmallow import ValidationError, fields

from webapp.core.shapes import Choice, Line, Long, Shape
from webapp.segments.language import CUSTOM, FIELDS, KINDS, MATCHES, MOST_CONDITIONS, MOST_LEVELS, OPERATORS
from webapp.segments.service import MOST_NAME
from webapp.segments.values import SHAPES


def _kinds() -> str:
    """Fields by kind with their operators, for the reference."""
    lines = []
    for kind, operators in KINDS.items():
        names = ", ".join(f"`{one.name}`" for one in FIELDS.values() if one.kind == kind)
        takes = "; ".join(f"`{operator}` {SHAPES[shape].words}" for operator, shape in operators.items())
        lines.append(f"{names or f'custom fields ({kind})'}: {takes}")
    return ". ".join(lines)


LEAF: dict[str, Any] = {
    "type": "object", "required": ["field", "operator"], "additionalProperties": False,
    "properties": {
        "field": {"type": "string", "description": f"One of {', '.join(FIELDS)}, or {CUSTOM} and the key of a custom field"},
        "operator": {"type": "string", "enum": list(OPERATORS)},
        "value": {"description": "As the operator takes it; left out, or null, for is_empty and is_not_empty"},
    },
}  # fmt: skip
NESTED: dict[str, Any] = {
    "type": "object", "required": ["conditions"], "additionalProperties": False,
    "properties": {
        "match": {"type": "string", "enum": list(MATCHES)},
        "conditions": {"type": "array", "minItems": 1, "maxItems": MOST_CONDITIONS, "items": {"type": "object"}},
    },
}  # fmt: skip
ABOUT = f"Conditions, and groups of conditions up to {MOST_LEVELS} levels deep, {MOST_CONDITIONS} in all. {_kinds()}."


class Conditions(fields.Field[list[Any]]):
    """A list of conditions; what is in them is checked by the language, which names each fault by its path."""

    def __init__(self, **kwargs: Any) -> None:
        shape = {"type": "array", "minItems": 1, "maxItems": MOST_CONDITIONS, "items": {"anyOf": [LEAF, NESTED]}, "description": ABOUT}
        super().__init__(metadata=shape, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValidationError("Write a list of conditions.")
        return value


MATCH = {"description": "Whether all of the conditions have to hold, or any of them"}


class TreeIn(Shape):
    match = Choice(*MATCHES, load_default="all", metadata=MATCH)
    conditions = Conditions(required=True)


class SegmentIn(TreeIn):
    name = Line(MOST_NAME, 1, required=True)
    description = Long(1000, load_default=None, allow_none=True)


class SegmentPatch(Shape):
    name = Line(MOST_NAME, 1)
    description = Long(1000, allow_none=True)
    match = Choice(*MATCHES, metadata=MATCH)
    conditions = Conditions()


class SegmentOut(Shape):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    description = fields.String(required=True, allow_none=True)
    match = Choice(*MATCHES, required=True)
    conditions = fields.Function(lambda row: row.tree["conditions"], metadata={"type": "array", "items": {"anyOf": [LEAF, NESTED]}})
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


AT_LEAST = {"description": "The least that is likely where the number is an estimate; else the number"}
AT_MOST = {"description": "The most that is likely where the number is an estimate; else the number"}


class CountOut(Shape):
    count = fields.Integer(required=True)
    is_exact = fields.Boolean(required=True, metadata={"description": "false: counting would take too long, so this is an estimate"})
    at_least = fields.Integer(required=True, metadata=AT_LEAST)
    at_most = fields.Integer(required=True, metadata=AT_MOST)


class SegmentCounted(SegmentOut):
    """One segment, with how many contacts it chooses now."""

    contacts_count = fields.Integer(required=True)
    is_exact = fields.Boolean(required=True, metadata={"description": "false: contacts_count is an estimate"})
    at_least = fields.Integer(required=True, metadata=AT_LEAST)
    at_most = fields.Integer(required=True, metadata=AT_MOST)


class SegmentQuery(Shape):
    search = Line(120, metadata={"description": "A part of the name"})
