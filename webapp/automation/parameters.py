"""Parameters of action types, declared once: the form, the check of the API, the masking of secrets and the docs come from here.

    declared  Parameter("url", "URL", "url", required=True, variables=True)
    given     what a caller sends            -> read(declared, given, stored) -> clean values, or raises BadParameters
    stored    clean values, secrets sealed   <- seal(declared, values); unseal gives them back for a run
    shown     secrets masked                 <- mask(declared, stored)

A secret that comes back as the mask stays what it was. Entries of a map whose name says so (Authorization, X-Api-Key) are secrets too.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webapp.core import secrets
from webapp.core.differences import is_secret

SEALED = "$sealed"
MASK = secrets.MASK
LONGEST = 100_000
MOST_ITEMS = 100
#: kind -> its name on the wire (`GET /actions/{id}/parameters`)
WIRE = {
    "line": "string", "text": "text", "url": "url", "secret": "string", "integer": "integer", "boolean": "boolean", "choice": "choice",
    "list": "list", "map": "object", "body": "text", "group": "object",
}  # fmt: skip


class BadParameters(Exception):
    """Values that cannot be saved: {path: [sentences]}, paths as in `auth.token`."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        super().__init__("; ".join(f"{path}: {texts[0]}" for path, texts in fields.items()))
        self.fields = fields


@dataclass(frozen=True)
class Parameter:
    """One parameter of an action type.

    kind       line, text, url, secret, integer, boolean, choice, list (of lines), map (name to line), body (text or JSON), group
    variables  whether placeholders are replaced at run time
    choices    of kind choice: (value, label)
    when       (name of a choice beside it, values): the form shows it only then
    """

    name: str
    label: str
    kind: str = "line"
    required: bool = False
    default: Any = None
    description: str = ""
    variables: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    least: int = 0
    most: int = 2**31
    parameters: tuple["Parameter", ...] = ()
    when: tuple[str, tuple[str, ...]] | None = None

    @property
    def secret(self) -> bool:
        return self.kind == "secret"


Declared = Sequence[Parameter]


def read(declared: Declared, given: Any, stored: Mapping[str, Any] | None = None, path: str = "") -> dict[str, Any]:
    """Clean values with defaults filled in; secrets plain.

    stored  unsealed values from before, for secrets that come back masked
    raises  BadParameters with every problem at once
    """
    problems: dict[str, list[str]] = {}
    if not isinstance(given, Mapping):
        raise BadParameters({path.rstrip(".") or "": ["Send an object."]})
    known = {item.name for item in declared}
    for name in given:
        if name not in known:
            problems[f"{path}{str(name)[:60]}"] = [f"Unknown; this takes {', '.join(sorted(known)) or 'no parameters'}."]
    clean: dict[str, Any] = {}
    for item in declared:
        before = (stored or {}).get(item.name)
        try:
            value = _read_one(item, given.get(item.name), before, f"{path}{item.name}")
        except BadParameters as bad:
            problems.update(bad.fields)
            continue
        if value is not None:
            clean[item.name] = value
        elif item.required:
            problems[f"{path}{item.name}"] = ["Missing; this action needs it."]
    if problems:
        raise BadParameters(problems)
    return clean


def _read_one(item: Parameter, value: Any, before: Any, path: str) -> Any:
    """The clean value of one parameter; None when there is none."""
    if item.kind == "group":
        return read(item.parameters, value if value is not None else {}, before if isinstance(before, Mapping) else None, f"{path}.")
    if item.secret and value == MASK:
        return before
    if value is None or (isinstance(value, str) and not value.strip() and item.kind != "text"):
        return item.default
    if item.kind == "map" and isinstance(value, Mapping) and isinstance(before, Mapping):
        value = {name: before.get(name, inner) if inner == MASK else inner for name, inner in value.items()}
    problem = _READERS[item.kind](item, value)
    if isinstance(problem, _Wrong):
        raise BadParameters({path: [problem.text]})
    return problem


@dataclass(frozen=True)
class _Wrong:
    text: str


def _line(item: Parameter, value: Any) -> Any:
    if not isinstance(value, str):
        return _Wrong("Send text.")
    if any(char in value for char in "\r\n\x00"):
        return _Wrong("Write it on one line.")
    return value.strip() if len(value) <= 4096 else _Wrong("At most 4,096 characters.")


def _text(item: Parameter, value: Any) -> Any:
    if not isinstance(value, str):
        return _Wrong("Send text.")
    return (value or item.default) if len(value) <= LONGEST else _Wrong(f"At most {LONGEST:,} characters.")


def _integer(item: Parameter, value: Any) -> Any:
    if isinstance(value, str) and value.strip().lstrip("-").isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return _Wrong("Send a whole number.")
    return value if item.least <= value <= item.most else _Wrong(f"Between {item.least:,} and {item.most:,}.")


def _boolean(item: Parameter, value: Any) -> Any:
    if isinstance(value, str) and value.lower() in ("true", "false", "1", "0", "on"):
        return value.lower() in ("true", "1", "on")
    return value if isinstance(value, bool) else _Wrong("Send true or false.")


def _choice(item: Parameter, value: Any) -> Any:
    words = [word for word, _ in item.choices]
    return value if value in words else _Wrong(f"Choose one of {', '.join(words)}.")


def _list(item: Parameter, value: Any) -> Any:
    if isinstance(value, str):
        value = value.replace("\n", ",").split(",")
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        return _Wrong("Send a list of texts.")
    entries = [entry.strip() for entry in value if entry.strip()]
    if any("\n" in entry or "\r" in entry or len(entry) > 1000 for entry in entries) or len(entries) > MOST_ITEMS:
        return _Wrong(f"At most {MOST_ITEMS} lines of at most 1,000 characters.")
    return entries or item.default


def _map(item: Parameter, value: Any) -> Any:
    if isinstance(value, str):
        lines = [line for line in value.splitlines() if line.strip()]
        if not all(":" in line for line in lines):
            return _Wrong("Write one “Name: value” on each line.")
        value = {name.strip(): rest.strip() for name, _, rest in (line.partition(":") for line in lines)}
    if not isinstance(value, Mapping) or len(value) > MOST_ITEMS:
        return _Wrong(f"Send an object of at most {MOST_ITEMS} names and texts.")
    clean: dict[str, str] = {}
    for name, inner in value.items():
        if isinstance(inner, bool | int | float):
            inner = json.dumps(inner)
        if not isinstance(name, str) or not isinstance(inner, str) or not name.strip() or len(name) > 200 or len(inner) > 8192:
            return _Wrong("Each name needs a text of at most 8,192 characters.")
        clean[name.strip()] = inner
    return clean or item.default


def _body(item: Parameter, value: Any) -> Any:
    if isinstance(value, str):
        return _text(item, value)
    if isinstance(value, dict | list):
        return value if len(json.dumps(value)) <= LONGEST else _Wrong(f"At most {LONGEST:,} characters.")
    return _Wrong("Send text, or an object for JSON.")


_READERS = {
    "line": _line, "text": _text, "url": _line, "secret": _line, "integer": _integer, "boolean": _boolean, "choice": _choice,
    "list": _list, "map": _map, "body": _body,
}  # fmt: skip


def _each(declared: Declared, values: Mapping[str, Any], change: Any) -> dict[str, Any]:
    """A copy in which every secret went through `change`."""
    found = dict(values)
    for item in declared:
        value = found.get(item.name)
        if item.kind == "group" and isinstance(value, Mapping):
            found[item.name] = _each(item.parameters, value, change)
        elif item.kind == "map" and isinstance(value, Mapping):
            found[item.name] = {name: change(inner) if is_secret_name(name) else inner for name, inner in value.items()}
        elif item.secret and value is not None:
            found[item.name] = change(value)
    return found


def is_secret_name(name: str) -> bool:
    """Whether an entry of a map (a header, mostly) holds a secret by its name: Authorization, X-Api-Key, Cookie …"""
    return is_secret(name.replace("-", "_"))


def seal(declared: Declared, values: Mapping[str, Any]) -> dict[str, Any]:
    """Ready for the database: secrets encrypted."""
    return _each(declared, values, lambda value: {SEALED: secrets.encrypt(str(value))})


def unseal(declared: Declared, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Ready to run: secrets plain. raises ValueError when the key that sealed them is gone"""
    return _each(declared, stored, lambda value: secrets.decrypt(value[SEALED]) if isinstance(value, dict) else value)


def mask(declared: Declared, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Ready to be shown or sent: secrets masked, whether sealed or plain."""
    return _each(declared, stored, lambda _value: MASK)


def secrets_in(declared: Declared, values: Mapping[str, Any]) -> list[str]:
    """The plain secrets among unsealed values, for cutting them out of logs."""
    found: list[str] = []
    _each(declared, values, lambda value: found.append(str(value)))
    return [text for text in found if len(text) >= 4]


def describe(declared: Declared, shown: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """The declaration on the wire; with `shown` (masked values) each entry carries its value."""
    entries = []
    for item in declared:
        entry: dict[str, Any] = {
            "name": item.name, "label": item.label, "type": WIRE[item.kind], "required": item.required, "default": item.default,
            "secret": item.secret, "description": item.description, "supports_variables": item.variables,
        }  # fmt: skip
        if item.choices:
            entry["choices"] = [{"value": word, "label": label} for word, label in item.choices]
        value = None if shown is None else shown.get(item.name)
        if shown is not None:
            entry["value"] = value
        if item.parameters:
            entry["parameters"] = describe(item.parameters, None if shown is None else value or {})
        entries.append(entry)
    return entries
