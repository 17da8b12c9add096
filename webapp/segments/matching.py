"""Comparing one column with a value: text in any case, numbers, and the opposite of both, alike on SQLite and PostgreSQL.

What is missing is an empty text and no number at all; the opposite of a comparison holds for it.
"""

from typing import Any, cast

from sqlalchemy import ColumnElement, Double, collate, func, literal, or_

from webapp.core.db import is_sqlite
from webapp.segments import folding

Condition = ColumnElement[bool]
OPPOSITES = {"not_equals": "equals", "not_in": "in", "not_contains": "contains"}


def opposite(found: Condition, column: Any) -> Condition:
    """Where `found` does not hold, and where the column has no value."""
    return or_(column.is_(None), ~found)


def of_text(column: Any, operator: str, value: Any) -> Condition:
    """A column of text, which may be NULL."""
    if operator == "is_not_empty":
        return column != ""
    if operator == "is_empty":
        return or_(column.is_(None), column == "")
    if operator in OPPOSITES:
        return opposite(of_text(column, OPPOSITES[operator], value), column)
    if operator in ("equals", "in"):
        return _among(column, [value] if operator == "equals" else value)
    before, after = operator in ("contains", "ends_with"), operator in ("contains", "starts_with")
    return _part(column, value, before, after)


def _part(column: Any, value: str, before: bool, after: bool) -> Condition:
    """The value stands in the text; `before` and `after` say where there may be more."""
    if is_sqlite() and not value.isascii():
        pattern = f"{'*' if before else ''}{folding.glob(value)}{'*' if after else ''}"
        return cast(Condition, column.op("GLOB", is_comparison=True)(pattern))
    pattern = f"{'%' if before else ''}{folding.like(folding.fold(value))}{'%' if after else ''}"
    plain = column if is_sqlite() else _folded(column, [value])
    return plain.like(pattern, escape=folding.ESCAPE)  # SQLite's takes no notice of the case of ASCII letters


def _folded(column: Any, values: list[str]) -> Any:
    """PostgreSQL: the column in lower case, as far as these values can tell."""
    known, keys = folding.translation(values)
    return func.lower(collate(func.translate(column, known, keys) if known else column, "C"))


def _among(column: Any, values: list[str]) -> Condition:
    """The text is one of these."""
    if not is_sqlite():
        return _folded(column, values).in_(sorted(set(map(folding.fold, values))))
    plain = sorted({value.lower() for value in values if value.isascii()})
    parts = [_part(column, value, before=False, after=False) for value in values if not value.isascii()]
    return or_(*parts, *([collate(column, "NOCASE").in_(plain)] if plain else []))


def of_number(column: Any, operator: str, value: Any) -> Condition:
    """A column of numbers, which may be NULL."""
    if operator == "is_not_empty":
        return column.is_not(None)
    if operator == "is_empty":
        return column.is_(None)
    if operator in OPPOSITES:
        return opposite(of_number(column, OPPOSITES[operator], value), column)
    if operator == "in":
        return column.in_([_number(one) for one in value])
    number = _number(value)
    compared: dict[str, Condition] = {
        "equals": column == number, "gt": column > number, "gte": column >= number, "lt": column < number, "lte": column <= number,
    }  # fmt: skip
    return compared[operator]


def _number(value: float) -> Any:
    """As a floating number whatever the column is: 49.5 is not rounded to compare with whole ones."""
    return literal(value, Double)
