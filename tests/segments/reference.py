"""What a tree means, in plain Python: the compiled queries must choose the same people. Slow and obvious; shares `folding.fold` alone."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.segments.crowd import NOW, TYPES
from webapp.segments.folding import fold
from webapp.segments.language import CUSTOM_KINDS, FIELDS

POSITIVE = {
    "not_equals": "equals", "not_in": "in", "not_contains": "contains", "is_empty": "is_not_empty", "not_within_days": "within_days",
}  # fmt: skip


def holds(tree: dict[str, Any], person: dict[str, Any]) -> bool:
    """Whether the person is chosen."""
    if "conditions" in tree:
        return (all if tree["match"] == "all" else any)(holds(one, person) for one in tree["conditions"])
    name, operator, value = tree["field"], tree["operator"], tree["value"]
    if operator in POSITIVE:
        return not holds({**tree, "operator": POSITIVE[operator]}, person)
    if name.startswith("custom."):
        kind, found = CUSTOM_KINDS[TYPES[name[7:]]], person["custom_fields"].get(name[7:])
        return KINDS[kind](operator, found, value)
    kind = FIELDS[name].kind
    if kind == "engaged":
        return engaged(operator, person, 0 if name == "opened_campaign" else 1, value)
    if name in ("email", "domain") and operator in ("equals", "in"):
        wanted = value if operator == "in" else [value]
        return person["address" if name == "email" else name] in [one.lower() for one in wanted]
    return KINDS[kind](operator, person[name], value)


def text(operator: str, found: Any, value: Any) -> bool:
    plain = fold(found) if isinstance(found, str) else ""
    if operator == "is_not_empty":
        return plain != ""
    if operator == "in":
        return plain in map(fold, value)
    wanted = fold(value)
    tests: dict[str, Callable[[], bool]] = {
        "equals": lambda: plain == wanted, "contains": lambda: wanted in plain, "starts_with": lambda: plain.startswith(wanted),
        "ends_with": lambda: plain.endswith(wanted),
    }  # fmt: skip
    return tests[operator]()


def number(operator: str, found: Any, value: Any) -> bool:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    if operator == "is_not_empty":
        return True
    if operator == "in":
        return found in value
    compared = {"equals": found == value, "gt": found > value, "gte": found >= value, "lt": found < value, "lte": found <= value}
    return bool(compared[operator])


def moment(operator: str, found: datetime | None, value: Any) -> bool:
    if found is None or operator == "is_not_empty":
        return found is not None
    if operator == "within_days":
        return NOW - timedelta(days=value) <= found <= NOW
    if len(value) == 10:
        day = found.astimezone(UTC).date().isoformat()
        return {"equals": day == value, "before": day < value, "after": day > value}[operator]
    bound = datetime.fromisoformat(value)
    return {"before": found < bound, "after": found > bound}[operator]


def day(operator: str, found: Any, value: Any) -> bool:
    if not isinstance(found, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", found):
        return False
    if operator == "is_not_empty":
        return True
    if operator == "within_days":
        return (NOW - timedelta(days=value)).date().isoformat() <= found <= NOW.date().isoformat()
    return {"equals": found == value, "before": found < value, "after": found > value}[operator]


def flag(operator: str, found: Any, value: Any) -> bool:
    return (found is True) == value


def source(operator: str, found: Any, value: Any) -> bool:
    return found in (value if operator == "in" else [value])


def members(operator: str, found: set[Any], value: Any) -> bool:
    if operator == "is_not_empty":
        return bool(found)
    return bool(found & set(value if operator == "in" else [value]))


def options(operator: str, found: Any, value: Any) -> bool:
    if not isinstance(found, list) or operator == "is_not_empty":
        return isinstance(found, list) and bool(found)
    return any(one in found for one in (value if operator == "in" else [value]))


def engaged(operator: str, person: dict[str, Any], place: int, value: Any) -> bool:
    times = {campaign_id: row[place] for campaign_id, row in person["engaged"].items() if row[place] is not None}
    if operator == "is_not_empty":
        return bool(times)
    if operator == "within_days":
        return any(at >= NOW - timedelta(days=value) for at in times.values())
    wanted = value if operator == "in" else [value]
    return any((person["last"] if one == "last" else one) in times for one in wanted)


KINDS: dict[str, Callable[[str, Any, Any], bool]] = {
    "text": text, "number": number, "moment": moment, "day": day, "flag": flag, "source": source, "tag": members, "group": members,
    "options": options,
}  # fmt: skip
