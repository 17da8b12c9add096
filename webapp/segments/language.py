"""The filter language of segments: which fields there are, which operators each takes, and which value each operator takes.

    {"match": "all", "conditions": [
        {"field": "tag", "operator": "equals", "value": "customer"},
        {"match": "any", "conditions": [
            {"field": "last_active_at", "operator": "not_within_days", "value": 90},
            {"field": "custom.plan", "operator": "in", "value": ["trial", "free"]}]}]}

`FIELDS` and `KINDS` are the only tables: the builder's form, the API's description, the checks and the docs are made from them. Pure.
What is missing (no company, never active, no such custom field) is an empty text, and is neither before nor above anything; operators
with `not` hold for it. Case does not matter in text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webapp.core.errors import Invalid
from webapp.segments.values import SHAPES

Tree = dict[str, Any]
#: levels of nested trees, conditions in all of them, values in all of these, and errors that are told at once
MOST_LEVELS, MOST_CONDITIONS, MOST_VALUES, MOST_ERRORS = 5, 100, 1000, 20
MATCHES = {"all": "all of these", "any": "at least one of these"}
CUSTOM = "custom."
KEY = re.compile(r"[a-z0-9_]{1,64}\Z")

#: operator -> how people read it
OPERATORS: dict[str, str] = {
    "equals": "is", "not_equals": "is not", "contains": "contains", "not_contains": "does not contain", "starts_with": "starts with",
    "ends_with": "ends with", "in": "is one of", "not_in": "is none of", "gt": "is more than", "gte": "is at least", "lt": "is less than",
    "lte": "is at most", "before": "is before", "after": "is after", "within_days": "was in the last",
    "not_within_days": "was not in the last", "is_empty": "is empty", "is_not_empty": "is not empty",
}  # fmt: skip
#: the same where a kind of field reads better in other words
KIND_WORDS: dict[str, dict[str, str]] = {
    "tag": {
        "equals": "has", "not_equals": "does not have", "in": "has one of", "not_in": "has none of", "is_empty": "has none at all",
        "is_not_empty": "has any",
    },
    "group": {
        "equals": "is on", "not_equals": "is not on", "in": "is on one of", "not_in": "is on none of", "is_empty": "is on no list",
        "is_not_empty": "is on any list",
    },
    "options": {"equals": "has", "not_equals": "does not have", "in": "has one of", "not_in": "has none of"},
    "received": {
        "equals": "the campaign", "not_equals": "not the campaign", "in": "one of the campaigns", "not_in": "none of the campaigns",
    },
    "engaged": {
        "equals": "the campaign", "not_equals": "not the campaign", "in": "one of the campaigns", "not_in": "none of the campaigns",
        "within_days": "a campaign in the last", "not_within_days": "no campaign in the last", "is_empty": "no campaign ever",
        "is_not_empty": "any campaign",
    },
}  # fmt: skip
_EMPTY = {"is_empty": "none", "is_not_empty": "none"}
_SINCE = {"within_days": "days", "not_within_days": "days"}


def _one(shape: str) -> dict[str, str]:
    return {"equals": shape, "not_equals": shape, "in": f"{shape}s", "not_in": f"{shape}s"}


#: kind of field -> operator -> shape of the value
KINDS: dict[str, dict[str, str]] = {
    "text": {
        **_one("text"), "contains": "text", "not_contains": "text", "starts_with": "text", "ends_with": "text", **_EMPTY,
    },
    "number": {**_one("number"), "gt": "number", "gte": "number", "lt": "number", "lte": "number", **_EMPTY},
    "moment": {"equals": "day", "not_equals": "day", "before": "moment", "after": "moment", **_SINCE, **_EMPTY},
    "day": {"equals": "day", "not_equals": "day", "before": "day", "after": "day", **_SINCE, **_EMPTY},
    "flag": {"equals": "flag", "not_equals": "flag"},
    "source": _one("source"),
    "tag": {**_one("named"), **_EMPTY},
    "group": {**_one("named"), **_EMPTY},
    "options": {**_one("text"), **_EMPTY},
    "received": _one("campaign"),
    "engaged": {**_one("campaign"), **_SINCE, **_EMPTY},
}  # fmt: skip
#: type of a custom field -> kind
CUSTOM_KINDS = {
    "text": "text", "long_text": "text", "dropdown": "text", "url": "text", "email": "text", "phone": "text", "number": "number",
    "date": "day", "checkbox": "flag", "multi_select": "options",
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One thing that can be asked about a contact."""

    name: str
    label: str
    kind: str
    #: heading under which the builder shows it
    section: str

    @property
    def operators(self) -> dict[str, str]:
        """Operator -> shape of its value."""
        return KINDS[self.kind]

    def words(self, operator: str) -> str:
        """How people read the operator behind this field's label."""
        return KIND_WORDS.get(self.kind, {}).get(operator, OPERATORS[operator])


_TABLE = (
    ("Person", (("name", "Name", "text"), ("first_name", "First name", "text"), ("last_name", "Last name", "text"),
                ("email", "Email", "text"), ("domain", "Email domain", "text"), ("company", "Company", "text"), ("phone", "Phone", "text"),
                ("job_title", "Job title", "text"), ("city", "City", "text"), ("state", "State", "text"), ("country", "Country", "text"),
                ("postal_code", "Postal code", "text"), ("lead_score", "Lead score", "number"))),
    ("Tags and groups", (("tag", "Tag", "tag"), ("group", "Group", "group"))),
    ("Activity", (("last_active_at", "Last active", "moment"), ("last_contacted_at", "Last contacted", "moment"),
                  ("received_campaign", "Received", "received"), ("opened_campaign", "Opened", "engaged"),
                  ("clicked_campaign", "Clicked in", "engaged"))),
    ("Record", (("subscribed", "Subscribed", "flag"), ("unsubscribed_at", "Unsubscribed", "moment"), ("bounced_at", "Bounced", "moment"),
                ("complained_at", "Complained", "moment"), ("source", "Source", "source"), ("created_at", "Created", "moment"),
                ("updated_at", "Changed", "moment"))),
)  # fmt: skip
FIELDS: dict[str, Field] = {
    name: Field(name, label, kind, section) for section, fields in _TABLE for name, label, kind in fields
}  # fmt: skip


def field(name: str, custom: Mapping[str, str] | None = None) -> Field | None:
    """The field of that name; of a custom one the kind follows from its type (`custom`: key -> type). None for one that nobody has."""
    if not name.startswith(CUSTOM):
        return FIELDS.get(name)
    key = name.removeprefix(CUSTOM)
    if custom is None or key not in custom:
        return None
    return Field(name, key.replace("_", " ").capitalize(), CUSTOM_KINDS.get(custom[key], "text"), "Custom fields")


def checked(tree: Any, custom: Mapping[str, str] | None = None) -> Tree:
    """The tree with plain values, when all of it is in order.

    custom   key -> type of the workspace's custom fields; without it a custom field takes what any type would take
    raises   Invalid whose fields name each fault by its path, such as `conditions.2.value`
    """
    check = _Check(custom)
    plain = check.tree(tree, "", 1)
    if check.values > MOST_VALUES:
        check.wrong("", f"The lists of the conditions hold {check.values:,} values together; they take {MOST_VALUES:,}.")
    if check.errors:
        first = next(iter(check.errors.items()))
        raise Invalid(f"{first[0] or 'conditions'}: {first[1][0]}", fields=check.errors)
    return plain


class _Check:
    """One walk over a tree: collects what is wrong, and stops where it goes too deep or too wide."""

    def __init__(self, custom: Mapping[str, str] | None) -> None:
        self.custom = custom
        self.errors: dict[str, list[str]] = {}
        self.seen = self.values = 0

    def wrong(self, path: str, text: str) -> None:
        if len(self.errors) < MOST_ERRORS:
            self.errors.setdefault(path or "conditions", []).append(text)

    def tree(self, given: Any, path: str, level: int) -> Tree:
        inside = f"{path}." if path else ""
        plain: Tree = {"match": "all", "conditions": []}
        if not isinstance(given, dict):
            self.wrong(path, "Write an object with match and conditions.")
            return plain
        self.unknown(given, {"match", "conditions"}, inside)
        match = given.get("match", "all")
        if match not in MATCHES if isinstance(match, str) else True:
            self.wrong(f"{inside}match", "Write all or any.")
        plain["match"] = match
        conditions = given.get("conditions")
        if not isinstance(conditions, list) or not conditions:
            self.wrong(f"{inside}conditions", "Write a list with at least one condition.")
        elif level > MOST_LEVELS:
            self.wrong(path, f"Conditions are nested more than {MOST_LEVELS} levels deep.")
        else:
            for number, one in enumerate(conditions):
                self.seen += not (isinstance(one, dict) and "conditions" in one)
                if self.seen > MOST_CONDITIONS or number >= MOST_CONDITIONS:
                    self.wrong(f"{inside}conditions", f"A segment takes {MOST_CONDITIONS} conditions.")
                    break
                plain["conditions"].append(self.condition(one, f"{inside}conditions.{number}", level))
        return plain

    def condition(self, given: Any, path: str, level: int) -> Tree:
        if isinstance(given, dict) and "conditions" in given:
            return self.tree(given, path, level + 1)
        if not isinstance(given, dict):
            self.wrong(path, "Write an object with field, operator and value, or with match and conditions.")
            return {}
        self.unknown(given, {"field", "operator", "value"}, f"{path}.")
        name, operator, value = given.get("field"), given.get("operator"), given.get("value")
        shapes = self.shapes(name, path)
        if not shapes:
            return {}
        if not isinstance(operator, str) or operator not in shapes:
            self.wrong(f"{path}.operator", f"{name} takes one of {', '.join(shapes)}.")
            return {}
        return {"field": name, "operator": operator, "value": self.value(shapes[operator], value, f"{path}.value")}

    def shapes(self, name: Any, path: str) -> dict[str, list[str]]:
        """Operator -> shapes that its value may have; nothing for a field that is none."""
        if not isinstance(name, str) or len(name) > 80:
            self.wrong(f"{path}.field", "Write the name of a field.")
        elif name.startswith(CUSTOM) and self.custom is None and KEY.match(name.removeprefix(CUSTOM)):
            found: dict[str, list[str]] = {}
            for kind in dict.fromkeys(CUSTOM_KINDS.values()):
                for operator, shape in KINDS[kind].items():
                    found.setdefault(operator, []).append(shape)
            return found
        elif one := field(name, self.custom):
            return {operator: [shape] for operator, shape in one.operators.items()}
        elif name.startswith(CUSTOM):
            self.wrong(f"{path}.field", f"There is no custom field “{name.removeprefix(CUSTOM)[:64]}”.")
        else:
            self.wrong(f"{path}.field", f"“{name}” is no field; write one of {', '.join(FIELDS)} or custom.KEY.")
        return {}

    def value(self, shapes: list[str], value: Any, path: str) -> Any:
        sentence = ""
        self.values += len(value) if isinstance(value, list) else 1
        for shape in dict.fromkeys(shapes):
            try:
                return SHAPES[shape].check(value)
            except ValueError as error:
                sentence = sentence or str(error)
        self.wrong(path, sentence)
        return None

    def unknown(self, given: dict[Any, Any], known: set[str], inside: str) -> None:
        for name in list(given)[:MOST_ERRORS]:
            if name not in known:
                self.wrong(f"{inside}{str(name)[:40]}", f"There is nothing of this name here; write {', '.join(sorted(known))}.")


def leaves(tree: Tree) -> list[Tree]:
    """Every condition of a checked tree, from first to last."""
    found: list[Tree] = []
    for one in tree["conditions"]:
        found += leaves(one) if "conditions" in one else [one]
    return found
