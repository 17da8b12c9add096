"""Conditions over one custom field: its value stands in the JSON of `contacts.custom_fields` and is taken for what its type says.

A value of another type than the field has now (the type was changed, a program wrote something else) counts as missing.
"""

from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Double, String, and_, bindparam, case, cast, collate, exists, false, func, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONB

from webapp.contacts.models import Contact
from webapp.core.db import is_sqlite
from webapp.segments.matching import of_number, of_text, opposite

Condition = ColumnElement[bool]
NEGATIVE = {"not_equals": "equals", "not_in": "in", "is_empty": "is_not_empty", "not_within_days": "within_days"}
#: JSON types as the two databases call them
TYPES = {"text": (("text",), "string"), "number": (("integer", "real"), "number"), "list": (("array",), "array")}
DATE_GLOB, DATE_REGEX = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


class Custom:
    """One key of the custom fields."""

    def __init__(self, key: str) -> None:
        #: letters, digits and underscores alone, so that it needs no quoting within a path
        self.path = f'$."{key}"'
        self.sqlite = is_sqlite()
        self.raw: Any = Contact.custom_fields.op("->", return_type=JSONB())(literal(key, String))
        self.words: Any = Contact.custom_fields.op("->>", return_type=String())(literal(key, String))

    def condition(self, kind: str, operator: str, value: Any, now: datetime) -> Condition:
        """The condition for a field of this kind (`language.KINDS`)."""
        if kind == "number":
            return of_number(self.number(), operator, value)
        if kind == "flag":
            is_true = self.is_true()
            return is_true if value == (operator == "equals") else ~is_true
        if kind == "day":
            return self.day(operator, value, now)
        if kind == "options":
            return self.options(operator, value)
        return of_text(self.text(), operator, value)

    def is_type(self, name: str) -> Condition:
        sqlite, postgres = TYPES[name]
        if self.sqlite:
            return func.json_type(Contact.custom_fields, self.path, type_=String).in_(sqlite)
        return func.jsonb_typeof(self.raw, type_=String) == postgres

    def text(self) -> Any:
        if self.sqlite:
            value: Any = func.json_extract(Contact.custom_fields, self.path, type_=String)
        else:
            value = self.words
        return case((self.is_type("text"), value))

    def number(self) -> Any:
        if self.sqlite:
            value: Any = func.json_extract(Contact.custom_fields, self.path, type_=Double)
        else:
            value = cast(self.words, Double)
        return case((self.is_type("number"), value))

    def is_true(self) -> Condition:
        if self.sqlite:
            return func.coalesce(func.json_type(Contact.custom_fields, self.path, type_=String), "") == "true"
        return func.coalesce(self.raw == _json(True), false())

    def day(self, operator: str, value: Any, now: datetime) -> Condition:
        """Days are texts that sort."""
        text = self.text()
        if self.sqlite:
            text = case((text.op("GLOB", is_comparison=True)(DATE_GLOB), text))
        else:
            text = collate(case((collate(text, "C").op("~", is_comparison=True)(DATE_REGEX), text)), "C")
        if operator in NEGATIVE:
            return opposite(self._day(text, NEGATIVE[operator], value, now), text)
        return self._day(text, operator, value, now)

    def _day(self, text: Any, operator: str, value: Any, now: datetime) -> Condition:
        if operator == "is_not_empty":
            return text.is_not(None)
        if operator == "within_days":
            first = (now - timedelta(days=value)).date().isoformat()
            return and_(text >= first, text <= now.date().isoformat())
        compared: Condition = {"equals": text == value, "before": text < value, "after": text > value}[operator]
        return compared

    def options(self, operator: str, value: Any) -> Condition:
        """A list of chosen options; they are compared as they are written."""
        plain = NEGATIVE.get(operator, operator)
        wanted = value if plain == "in" else [value]
        if self.sqlite:
            listed = case((self.is_type("list"), func.json_extract(Contact.custom_fields, self.path, type_=String)))
            each = func.json_each(listed).table_valued("value")
            some = [] if plain == "is_not_empty" else [each.c.value.in_(wanted)]
            found: Condition = exists(select(literal(1)).select_from(each).where(*some))
        elif plain == "is_not_empty":
            found = and_(self.is_type("list"), self.raw != _json([]))
        else:
            found = and_(self.is_type("list"), or_(*[self.raw.op("@>", is_comparison=True)(_json([one])) for one in wanted]))
        return found if plain == operator else opposite(found, self.text_of_list())

    def text_of_list(self) -> Any:
        """Something that is NULL where there is no list."""
        return case((self.is_type("list"), literal("list")))


def _json(value: Any) -> Any:
    return cast(bindparam(None, orjson.dumps(value).decode(), type_=String), JSONB)
