"""The ground of every wire shape: a strict schema, fields with bounds, and a fast way from rows to dictionaries."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from operator import attrgetter, itemgetter
from typing import Any

from marshmallow import INCLUDE, RAISE, Schema, ValidationError, fields, validate
from sqlalchemy import Row

from webapp.core.swift import Rows

MAX_ID = 2**63 - 1
#: how SQLite holds an empty list
EMPTY = "[]"


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


class QueryId(fields.Integer):
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
    if any(char in text for char in "\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"):
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


class Made(fields.List[Any]):
    """A list that a function makes from the one value of an attribute."""

    def __init__(self, function: Callable[[Any], list[Any]], inner: Any, **kwargs: Any) -> None:
        super().__init__(inner, dump_only=True, **kwargs)
        self.function = function

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> list[Any] | None:
        return None if value is None else self.function(value)


class AnyObject(Schema):
    """An object whose keys the contract does not name."""

    class Meta:
        unknown = INCLUDE


Dump = Callable[[Any], Any]


@dataclass(frozen=True)
class Step:
    """How one key is written: from which attribute, by which function (None: as it is), from the value or from the whole object."""

    name: str
    attribute: str
    function: Dump | None = None
    whole: bool = False


def compile_dump(schema: Schema) -> Dump:
    """A function that turns one object into the schema's dictionary, several times faster than marshmallow's own dump.

    Plain fields are handed on as they are (the JSON writer knows datetimes); Nested, List, Method and Function are followed.
    """
    steps = _steps(schema)
    if len(steps) > 1 and all(step.function is None for step in steps):
        return _plain(tuple(step.name for step in steps), tuple(step.attribute for step in steps))
    plan = [(step.name, step.attribute, step.function, step.whole) for step in steps]

    def dump(obj: Any) -> dict[str, Any]:
        is_dict = isinstance(obj, dict)
        found: dict[str, Any] = {}
        for name, attribute, function, whole in plan:
            if whole and function is not None:
                found[name] = function(obj)
                continue
            raw = obj.get(attribute, _MISSING) if is_dict else getattr(obj, attribute, _MISSING)
            if raw is not _MISSING:
                found[name] = raw if function is None or raw is None else function(raw)
        return found

    return dump


def compile_dump_many(schema: Schema) -> Callable[[list[Any]], list[Any]]:
    """The same for a list. Rows of a SELECT of columns are read by position, which costs a tenth of reading them by name."""
    steps, one = _steps(schema), compile_dump(schema)
    plans: dict[tuple[str, ...], Dump] = {}

    swift: dict[tuple[tuple[str, ...], tuple[Any, ...]], Callable[[Rows], list[Any]]] = {}

    def dump(items: list[Any]) -> list[Any]:
        if isinstance(items, Rows):
            known = (items.names, items.readers)
            by_column = swift.get(known) or swift.setdefault(known, _by_column(steps, *known))
            return by_column(items) if items else []
        if not items or not all(type(item) is Row for item in items):
            return [one(item) for item in items]
        fields_of = items[0]._fields
        if any(len(item) != len(fields_of) for item in items):
            return [one(item) for item in items]
        by_place = plans.get(fields_of)
        if by_place is None:
            by_place = plans[fields_of] = _by_place(steps, fields_of)
        return [by_place(item) for item in items]

    return dump


def _by_place(steps: list[Step], names: tuple[str, ...]) -> Dump:
    """For rows with these columns."""
    places = {name: place for place, name in enumerate(names)}
    kept = [step for step in steps if step.whole or step.attribute in places]
    keys = tuple(step.name for step in kept)
    special = [(step.name, step.function, step.whole) for step in kept if step.function is not None]
    get: Any = itemgetter(*[0 if step.whole else places[step.attribute] for step in kept], 0)  # one more, so that it answers a tuple

    def dump(row: Any) -> dict[str, Any]:
        found = dict(zip(keys, get(tuple(row)), strict=False))
        for name, function, whole in special:
            value = row if whole else found[name]
            if value is not None:
                found[name] = function(value)
        return found

    return dump


def _by_column(steps: list[Step], names: tuple[str, ...], readers: tuple[Any, ...]) -> Callable[[Rows], list[Any]]:
    """For rows as the driver gave them: a column at a time, so that what is written as it is costs next to nothing.

    raises TypeError at once for a shape that wants whole objects
    """
    places = {name: place for place, name in enumerate(names)}
    if any(step.whole for step in steps):
        raise TypeError("A field of this shape is made from the whole object, and rows of core.swift are none; use shapes.Made.")
    kept = [step for step in steps if step.attribute in places]
    keys = [step.name for step in kept]
    plan = [(places[step.attribute], _reader(readers[places[step.attribute]], step.function)) for step in kept]

    def dump(rows: Rows) -> list[Any]:
        columns = list(zip(*rows, strict=True))
        written = [columns[place] if function is None else map(function, columns[place]) for place, function in plan]
        return [dict(zip(keys, values, strict=True)) for values in zip(*written, strict=True)]

    return dump


def _reader(read: Dump | None, function: Dump | None) -> Dump | None:
    """From what a column holds to what is written."""
    if function is None:
        return read

    def made(value: Any) -> Any:
        if value is None:
            return None
        if read is None:
            return function(value)
        return [] if value == EMPTY else function(read(value))

    return made


def _plain(names: tuple[str, ...], attributes: tuple[str, ...]) -> Dump:
    """A shape whose fields are all handed on as they are: one attrgetter call per object."""
    get = attrgetter(*attributes)

    def dump(obj: Any) -> dict[str, Any]:
        if isinstance(obj, dict):
            return {name: obj[attribute] for name, attribute in zip(names, attributes, strict=True) if attribute in obj}
        return dict(zip(names, get(obj), strict=True))

    return dump


_MISSING = object()


def _steps(schema: Schema) -> list[Step]:
    return [Step(name, field.attribute or name, *_function(field, schema)) for name, field in schema.dump_fields.items()]


def _function(field: Any, schema: Schema) -> tuple[Dump | None, bool]:
    """How one field is written: (None: as it is, or a function; whether that takes the whole object)."""
    if isinstance(field, fields.Method):
        return getattr(schema, str(field.serialize_method_name)), True
    if isinstance(field, fields.Function):
        return field.serialize_func, True
    if isinstance(field, Shown):
        return getattr(schema, field.method), True
    if isinstance(field, Made):
        return field.function, False
    if isinstance(field, fields.Nested):
        return (compile_dump_many if field.many else compile_dump)(field.schema), False
    if isinstance(field, fields.List):
        inner, _ = _function(field.inner, schema)
        return (None if inner is None else lambda values: [inner(value) for value in values]), False
    return None, False
