"""Reading request bodies and query strings: strict, with a clear answer for everything that is off.

What no database or program can hold (NUL, lone surrogates, NaN, duplicate keys, bottomless nesting) is refused here, once for all.
"""

import json
from typing import Any

from flask import Request
from webargs.flaskparser import FlaskParser
from werkzeug.datastructures import MultiDict

from webapp.core.errors import BadRequest, Invalid, TooLarge, UnsupportedMedia

DEEPEST = 32
#: bytes of an uploaded file, with the form around it, for the few addresses that take one of nearly any size
MOST_FILE = 20 * 1024**3

#: documented camelCase spellings of query parameters that are taken as well (reference/mailtrigger.md section 3.4)
ALIASES = {
    "hasAttachments": "has_attachments", "createdTime_after": "created_after", "createdTime_before": "created_before",
    "createdTime_exact": "created_exact", "isTest": "is_test",
}  # fmt: skip


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise Invalid(f"The key {key[:60]!r} stands twice.", fields={key[:60]: ["Stands twice; send it once."]})
        seen[key] = value
    return seen


def _no_constant(name: str) -> Any:
    raise Invalid(f"{name} is not a JSON number.", fields={"body": [f"{name} is not a JSON number."]})


def check_text(value: Any, path: str = "body", depth: int = 0) -> None:
    """raises Invalid for NUL, lone surrogates and nesting deeper than 32, with the path of the culprit"""
    if depth > DEEPEST:
        raise Invalid("The body is nested too deeply.", fields={path: [f"Nested deeper than {DEEPEST} levels."]})
    if isinstance(value, str):
        if "\x00" in value:
            raise Invalid("Text with a NUL character is not taken.", fields={path: ["Holds a NUL character."]})
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise Invalid("Text with half a surrogate pair is not taken.", fields={path: ["Holds half of a surrogate pair."]})
    elif isinstance(value, dict):
        for key, inner in value.items():
            check_text(key, path, depth + 1)
            check_text(inner, key if path == "body" else f"{path}.{key}", depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            check_text(inner, f"{path}.{index}", depth + 1)


def read_json(request: Request) -> Any:
    """The body as JSON; an empty body is an empty object.

    raises BadRequest (unreadable), UnsupportedMedia (another type), Invalid (readable but not ours)
    """
    raw = request.get_data(cache=True)
    if not raw.strip():
        return {}
    if request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
        raise UnsupportedMedia(f"The body is {request.mimetype or 'of no declared type'}; this address takes application/json.")
    try:
        value = json.loads(raw, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except RecursionError:
        raise Invalid("The body is nested too deeply.", fields={"body": [f"Nested deeper than {DEEPEST} levels."]}) from None
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.") from None
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
    check_text(value)
    if not isinstance(value, dict):
        raise Invalid("The body is not a JSON object.", fields={"body": ["Send an object, as in {\"name\": \"…\"}."]})
    return value


def guard_size(request: Request, limit: int) -> None:
    if request.content_length is not None and request.content_length > limit:
        raise TooLarge(f"The body has {request.content_length} bytes; this server takes {limit}.")


class Parser(FlaskParser):
    """webargs with our reader and unknown keys refused everywhere."""

    DEFAULT_UNKNOWN_BY_LOCATION = {
        "json": None, "query": None, "form": None, "files": None, "path": None, "headers": "exclude", "cookies": "exclude",
    }  # fmt: skip

    def load_json(self, req: Request, schema: Any) -> Any:
        return read_json(req)

    def load_querystring(self, req: Request, schema: Any) -> Any:
        check_text(req.args.to_dict(flat=False), "query")
        renamed = MultiDict([(ALIASES.get(name, name), value) for name, value in req.args.items(multi=True)])
        return self._makeproxy(renamed, schema)

    def handle_error(self, error: Any, req: Any, schema: Any, *, error_status_code: Any, error_headers: Any) -> Any:
        messages = error.messages
        inner = next(iter(messages.values())) if isinstance(messages, dict) and len(messages) == 1 else messages
        fields = flatten(inner)
        first = next(iter(fields.items()), ("body", ["The request is not valid."]))
        raise Invalid(f"{first[0]}: {first[1][0]}", fields=fields)


def flatten(messages: Any, path: str = "") -> dict[str, list[str]]:
    """marshmallow's nested messages as {"a.0.b": [texts]}."""
    if isinstance(messages, str):
        return {path or "body": [messages]}
    if isinstance(messages, list):
        if all(isinstance(text, str) for text in messages):
            return {path or "body": list(messages)}
        return {key: texts for index, inner in enumerate(messages) for key, texts in flatten(inner, f"{path}.{index}".strip(".")).items()}
    found: dict[str, list[str]] = {}
    for key, inner in messages.items():
        name = str(key)
        for inner_path, texts in flatten(inner, f"{path}.{name}".strip(".") if name != "_schema" else path).items():
            found.setdefault(inner_path, []).extend(texts)
    return found
