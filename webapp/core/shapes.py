"""The ground of every wire shape: a strict schema, fields with bounds, and a fast way from rows to dictionaries."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from operator import attrgetter
from typing import Any

from marshmallow import INCLUDE, RAISE, Schema, ValidationError, fields, validate

MAX_ID = 2**63 - 1


class Shape(Schema):
    """No key beyond the declared ones, in or out; keys keep the order in which they are declared."""

    class Meta:
        unknown = RAISE
        ordered = True


class Id(fields.Integer):
    """A row id: a positive integer that fits the database."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("validate", validate.Range(min=1, max=MAX_ID))
        super().__init__(strict=True, **kwargs)


class IdText(fields.Integer):
    """A row id in a query string, where every value is text."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("validate", validate.Range(min=1, max=MAX_ID))
        super().__init__(**kwargs)


class Count(fields.Integer):
    """A whole number with bounds (default 0 to 2^53, which every JSON reader holds exactly)."""

    def __init__(self, least: int = 0, most: int = 2**53, **kwargs: Any) -> None:
        kwargs.setdefault("validate", validate.Range(min=least, max=most))
        super().__init__(strict=True, **kwargs)


class Line(fields.String):
    """One line of text, trimmed, at most `most` characters."""

    def __init__(self, most: int = 255, least: int = 0, **kwargs: Any) -> None:
        checks: list[Any] = [validate.Length(min=least or None, max=most), _one_line]
        super().__init__(validate=checks, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        return text.strip() if isinstance(text, str) else text


def _one_line(text: str) -> None:
    if any(char in text for char in "\r\n\x0b\x0c\x85\u2028\u2029"):
        raise ValidationError("Must be one line.")


class Long(fields.String):
    """Text of several lines, at most `most` characters."""

    def __init__(self, most: int = 65_535, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(max=most), **kwargs)


class Time(fields.DateTime):
    """ISO 8601; what comes in without a zone is UTC; goes out with Z."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        moment = super()._deserialize(value, attr, data, **kwargs)
        return in_utc(moment, self)


class DayStart(fields.Field[datetime]):
    """A moment or a bare date (its first instant in UTC); with `end=True` the first instant after it, for inclusive upper bounds."""

    def __init__(self, end: bool = False, **kwargs: Any) -> None:
        super().__init__(metadata={"type": "string", "description": "YYYY-MM-DD (a whole day in UTC) or ISO 8601"}, **kwargs)
        self.end = end

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            text = str(value).strip()
            if len(text) == 10:
                day = datetime.combine(datetime.fromisoformat(text).date(), time(), UTC)
                return day + timedelta(days=1) if self.end else day
            moment = in_utc(datetime.fromisoformat(text), self)
            return moment + timedelta(microseconds=1) if self.end else moment
        except (ValueError, OverflowError):
            raise ValidationError("Write a date as YYYY-MM-DD or a time as ISO 8601.") from None


def in_utc(moment: datetime, field: Any) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValidationError("This time is out of range.") from None


class Choice(fields.String):
    """One of a few words."""

    def __init__(self, *words: str, **kwargs: Any) -> None:
        super().__init__(validate=validate.OneOf(words, error="Choose one of: {choices}."), **kwargs)


class Shown(fields.Nested):
    """An object that a method of the schema makes from the whole row, documented by a shape of its own (None: any object)."""

    def __init__(self, shape: type[Schema] | None, method: str, *, many: bool = False, **kwargs: Any) -> None:
        super().__init__(shape or AnyObject, many=many, dump_only=True, **kwargs)
        self.method = method


class AnyObject(Schema):
    """An object whose keys the contract does not name."""

    class Meta:
        unknown = INCLUDE


Dump = Callable[[Any], Any]


def compile_dump(schema: Schema) -> Dump:
    """A function that turns one object into the schema's dictionary, several times faster than marshmallow's own dump.

    Plain fields are handed on as they are (the JSON writer knows datetimes); Nested, List, Method and Function are followed.
    """
    plan = [(name, field.attribute or name, _value(field, schema)) for name, field in schema.dump_fields.items()]
    if len(plan) > 1 and all(value is None for _, _, value in plan):
        return _plain(tuple(name for name, _, _ in plan), tuple(attribute for _, attribute, _ in plan))

    def dump(obj: Any) -> dict[str, Any]:
        is_dict = isinstance(obj, dict)
        found: dict[str, Any] = {}
        for name, attribute, value in plan:
            if value is not None and value.whole:
                found[name] = value(obj)
                continue
            raw = obj.get(attribute, _MISSING) if is_dict else getattr(obj, attribute, _MISSING)
            if raw is _MISSING:
                continue
            found[name] = raw if value is None or raw is None else value(raw)
        return found

    return dump


def _plain(names: tuple[str, ...], attributes: tuple[str, ...]) -> Dump:
    """A shape whose fields are all handed on as they are: one attrgetter call per object."""
    get = attrgetter(*attributes)

    def dump(obj: Any) -> dict[str, Any]:
        if isinstance(obj, dict):
            return {name: obj[attribute] for name, attribute in zip(names, attributes, strict=True) if attribute in obj}
        return dict(zip(names, get(obj), strict=True))

    return dump


_MISSING = object()


def _value(field: Any, schema: Schema) -> Any:
    """How one field is written: None as it is, else a function with a flag whether it takes the whole object."""
    if isinstance(field, fields.Method):
        method = getattr(schema, field.serialize_method_name)  # type: ignore[arg-type]
        return _flagged(lambda obj: method(obj), whole=True)
    if isinstance(field, fields.Function):
        function = field.serialize_func
        return _flagged(lambda obj: function(obj), whole=True)  # type: ignore[misc]
    if isinstance(field, Shown):
        return _flagged(getattr(schema, field.method), whole=True)
    if isinstance(field, fields.Nested):
        dump = compile_dump(field.schema)
        return _flagged((lambda rows: [dump(row) for row in rows]) if field.many else dump, whole=False)
    if isinstance(field, fields.List):
        inner = _value(field.inner, schema)
        return None if inner is None else _flagged(lambda rows: [inner(row) for row in rows], whole=False)
    return None


def _flagged(function: Any, whole: bool) -> Any:
    def call(value: Any) -> Any:
        return function(value)

    call.whole = whole  # type: ignore[attr-defined]
    return call
