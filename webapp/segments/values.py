"""Shapes of values in a segment's conditions: each is checked, made plain and described in one place. Pure.

`SHAPES[name].check(value)` answers the value as it is kept (JSON) or raises ValueError with a sentence.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from webapp.contacts.models import SOURCES

#: longest text, most entries of a list, most days
MOST_TEXT, MOST_ENTRIES, MOST_DAYS = 200, 100, 36_500
MOST_NUMBER = 1e15
MAX_ID = 2**63 - 1
#: of a campaign: the one that was started last
LAST = "last"


@dataclass(frozen=True)
class Shape:
    """What a condition's value looks like: checked by `check`, said in `words`, described for OpenAPI by `schema`."""

    check: Callable[[Any], Any]
    words: str
    schema: dict[str, Any]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("Write a text.")
    plain = value.strip()
    if not plain:
        raise ValueError("Write something to compare with.")
    if len(plain) > MOST_TEXT:
        raise ValueError(f"The text has {len(plain):,} characters; at most {MOST_TEXT} are compared.")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in plain):
        raise ValueError("The text holds a line break or another control character.")
    return plain


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MOST_NUMBER <= value <= MOST_NUMBER:
        raise ValueError("Write a number between -1,000,000,000,000,000 and 1,000,000,000,000,000.")
    return value


def _days(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_DAYS:
        raise ValueError(f"Write a whole number of days from 1 to {MOST_DAYS:,}.")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Write true or false.")
    return value


def _day(value: Any) -> str:
    try:
        if not isinstance(value, str) or len(value.strip()) != 10:
            raise ValueError
        return date.fromisoformat(value.strip()).isoformat()
    except ValueError:
        raise ValueError("Write a date as YYYY-MM-DD.") from None


def _moment(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError("Write a date as YYYY-MM-DD or a time as ISO 8601.")
    if len(value.strip()) == 10:
        return _day(value)
    try:
        moment = datetime.fromisoformat(value.strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("Write a date as YYYY-MM-DD or a time as ISO 8601.") from None
    return moment.isoformat().replace("+00:00", "Z")


def _source(value: Any) -> str:
    if value not in SOURCES:
        raise ValueError(f"Write one of {', '.join(SOURCES)}.")
    return str(value)


def _named(value: Any) -> int | str:
    """A row by id or by name; names are looked up when the segment is saved."""
    if isinstance(value, str):
        return _text(value)
    return _id(value)


def _id(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_ID:
        raise ValueError("Write an id: a whole number from 1.")
    return value


def _campaign(value: Any) -> int | str:
    if value == LAST and isinstance(value, str):
        return LAST
    try:
        return _id(value)
    except ValueError:
        raise ValueError("Write the id of a campaign, or last.") from None


def _none(value: Any) -> None:
    if value is not None:
        raise ValueError("This operator takes no value; leave it out.")


def _many(one: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    def check(value: Any) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise ValueError("Write a list with at least one entry.")
        if len(value) > MOST_ENTRIES:
            raise ValueError(f"The list has {len(value):,} entries; it takes {MOST_ENTRIES}.")
        return list(dict.fromkeys(one(entry) for entry in value if not isinstance(entry, list | dict) or _refuse()))

    return check


def _refuse() -> bool:
    raise ValueError("The entries of the list are plain values.")


_ID = {"type": "integer", "minimum": 1}
_TEXT = {"type": "string", "minLength": 1, "maxLength": MOST_TEXT}
_NUMBER = {"type": "number"}
_NAMED = {"oneOf": [_ID, _TEXT]}


def _pair(name: str, check: Callable[[Any], Any], words: str, plural: str, schema: dict[str, Any]) -> dict[str, Shape]:
    """A shape and its list."""
    listed = {"type": "array", "minItems": 1, "maxItems": MOST_ENTRIES, "items": schema}
    return {name: Shape(check, words, schema), f"{name}s": Shape(_many(check), f"a list of {plural}", listed)}


SHAPES: dict[str, Shape] = {
    "none": Shape(_none, "no value", {"nullable": True}),
    "flag": Shape(_flag, "true or false", {"type": "boolean"}),
    "days": Shape(_days, "a number of days", {"type": "integer", "minimum": 1, "maximum": MOST_DAYS}),
    "day": Shape(_day, "a date (YYYY-MM-DD)", {"type": "string", "format": "date"}),
    "moment": Shape(_moment, "a date (YYYY-MM-DD, in UTC) or a time (ISO 8601)", {"type": "string"}),
    **_pair("text", _text, "a text", "texts", _TEXT),
    **_pair("number", _number, "a number", "numbers", _NUMBER),
    **_pair("source", _source, f"one of {', '.join(SOURCES)}", "these words", {"type": "string", "enum": list(SOURCES)}),
    **_pair("named", _named, "an id or a name", "ids or names", _NAMED),
    **_pair("campaign", _campaign, "the id of a campaign, or `last`", "these", {"oneOf": [_ID, {"type": "string", "enum": [LAST]}]}),
}


def instant(value: str) -> tuple[datetime, datetime]:
    """From when to when (the end is not in it) a kept moment lasts: a whole day in UTC, or nothing but itself.

    A day beyond the calendar ends where the calendar does.
    """
    if len(value) == 10:
        start = datetime.fromisoformat(value).replace(tzinfo=UTC)
        return start, start + timedelta(days=1) if value < "9999-12-31" else datetime.max.replace(tzinfo=UTC)
    moment = datetime.fromisoformat(value)
    return moment, moment + timedelta(microseconds=1) if moment < datetime.max.replace(tzinfo=UTC) else moment
