"""Shapes of the message tokens of a mailbox on the wire (reference/trekmail.md section 3)."""

from typing import Any

from marshmallow import ValidationError, fields, validate

from webapp.core.rest import Deleted
from webapp.core.shapes import Line, Shape
from webapp.tokens.bounds import LONGEST
from webapp.tokens.message_tokens import LIVES

MOST_S = int(LONGEST.total_seconds())


class Life(fields.Field[Any]):
    """How long a token lives from now: a word as in 30d, or seconds."""

    def __init__(self, *words: str, least: int, **kwargs: Any) -> None:
        self.words, self.least = words, least
        either: list[dict[str, Any]] = [
            {"type": "string", "enum": list(words)}, {"type": "integer", "minimum": least, "maximum": MOST_S}
        ]  # fmt: skip
        super().__init__(metadata={"oneOf": either, "description": f"{', '.join(words)}, or seconds from now"}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str | int:
        if isinstance(value, str) and value in self.words:
            return value
        if type(value) is int and self.least <= value <= MOST_S:
            return value
        raise ValidationError(f"Write {', '.join(self.words)}, or seconds from now.")


class MessageTokenCreate(Shape):
    name = Line(255, 1, required=True)
    scopes = fields.List(Line(64, 1), required=True, validate=validate.Length(min=1, max=10))
    expires_in = Life(*[word for word in LIVES if not word.endswith("h")], least=0)


class MessageTokenPatch(Shape):
    name = Line(255, 1)
    scopes = fields.List(Line(64, 1), validate=validate.Length(min=1, max=10))
    expires_in = Life(*[word for word in LIVES if word != "never"], least=1)


class MessageTokenRevoked(Deleted):
    revoked_at = fields.DateTime(required=True)
