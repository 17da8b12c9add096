"""Values of custom fields: what each type takes, and what a contact holds after a change."""

import math
import re
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import func, select

from webapp.accounts.models import Workspace
from webapp.contacts.models import CustomField
from webapp.core.db import db
from webapp.core.errors import Invalid, invalid
from webapp.domains.taken import unless_taken
from webapp.mail.address import BadAddress, normalise

KEY = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
MOST_FIELDS, MOST_TEXT, MOST_LONG, MOST_OPTIONS = 200, 1000, 20_000, 200
#: setting of a workspace: keys that nobody defined are refused
STRICT = "strict_custom_fields"


def of_workspace(workspace_id: int) -> list[CustomField]:
    query = select(CustomField).where(CustomField.workspace_id == workspace_id)
    return list(db.session.scalars(query.order_by(CustomField.position, CustomField.id)))


def next_position(workspace_id: int) -> int:
    last = db.session.scalar(select(func.max(CustomField.position)).where(CustomField.workspace_id == workspace_id))
    return (last or 0) + 1


def default_of(field: CustomField) -> Any:
    """What a contact without a value gets. raises Invalid about default"""
    try:
        text: Any = field.default
        if field.type == "multi_select" and isinstance(text, str):
            text = [part.strip() for part in text.split(",") if part.strip()]
        return checked(field, text)
    except Invalid as error:
        raise invalid("default", error.message) from None


def merged(
    workspace_id: int, present: dict[str, Any], given: dict[str, Any] | None, *, new: bool = False, lenient: bool = False
) -> dict[str, Any]:
    """The values of a contact after a change: merged by key, None removes one.

    new      a contact that comes in: fields with a default get it, required ones must be there
    lenient  required fields may be missing (mail, imports)
    raises   Invalid about custom_fields.<key>
    """
    given = given or {}
    if not given and not new:
        return present
    if not isinstance(given, dict):
        raise invalid("custom_fields", "Send an object of keys and values.")
    known = {field.key: field for field in of_workspace(workspace_id)}
    for key in [key for key in given if key not in known and given[key] is not None]:
        known[key] = _define(workspace_id, key, given[key], len(known))
    found = dict(present)
    for key, value in given.items():
        field = known.get(key)
        plain = None if field is None or value in (None, "", []) else checked(field, value)
        if plain is None:
            found.pop(key, None)
        else:
            found[key] = plain
    for key, field in known.items():
        if new and field.default is not None and key not in given:
            found[key] = default_of(field)
        if field.required and not lenient and key not in found and (new or key in given):
            raise invalid(f"custom_fields.{key}", f"{field.label} is required.")
    return found


def _define(workspace_id: int, key: str, value: Any, count: int) -> CustomField:
    """A field for a key that nobody defined; its type follows the value."""
    path = f"custom_fields.{key}"
    if not KEY.match(key):
        raise invalid(path, "A key begins with a letter and holds lower case letters a to z, digits and _, at most 63 in all.")
    workspace = db.session.get(Workspace, workspace_id)
    if workspace is not None and workspace.settings.get(STRICT):
        raise invalid(path, f"There is no custom field with the key {key}. Define it first; this workspace takes no others.")
    if count >= MOST_FIELDS:
        raise invalid(path, f"A workspace has at most {MOST_FIELDS} custom fields.")
    kind = "checkbox" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "text"
    kind = "multi_select" if isinstance(value, list) else "long_text" if isinstance(value, str) and len(value) > MOST_TEXT else kind
    label = key.replace("_", " ").capitalize()
    place = next_position(workspace_id)
    field = CustomField(workspace_id=workspace_id, key=key, label=label, type=kind, position=place, options=[], required=False)
    with unless_taken(path, f"The field {key} was defined by somebody else at this moment; send it again."):
        db.session.add(field)
    return field


def checked(field: CustomField, value: Any) -> Any:
    """A value as the JSON of a contact holds it: text, number, truth, ISO date or a list of options. raises Invalid"""
    path = f"custom_fields.{field.key}"
    if field.type == "number":
        return _number(path, value)
    if field.type == "checkbox":
        return _truth(path, value)
    if field.type == "multi_select":
        return _several(path, field, value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise invalid(path, f"{field.label} holds text.")
    text = str(value).replace("\x00", "").strip()
    most = MOST_LONG if field.type == "long_text" else MOST_TEXT
    if len(text) > most:
        raise invalid(path, f"{field.label} holds at most {most} characters; this has {len(text)}.")
    if not text:
        return None
    if field.type == "dropdown" and text not in field.options:
        raise invalid(path, f"{field.label} is one of: {', '.join(field.options)}.")
    if field.type == "date":
        return _date(path, text)
    if field.type == "url" and (urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).netloc):
        raise invalid(path, f"{field.label} is an address of the web that begins with http:// or https://.")
    if field.type == "email":
        try:
            return normalise(text)
        except BadAddress as error:
            raise invalid(path, str(error)) from None
    return text


def _number(path: str, value: Any) -> int | float:
    if isinstance(value, str):
        try:
            value = float(value) if any(sign in value for sign in ".eE") else int(value)
        except ValueError:
            raise invalid(path, "Write a number, such as 12 or 12.5.") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 2**53:
        raise invalid(path, "Write a number, such as 12 or 12.5.")
    return value


def _truth(path: str, value: Any) -> bool:
    words = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
    found = value if isinstance(value, bool) else words.get(str(value).strip().lower())
    if found is None:
        raise invalid(path, "Write true or false.")
    return found


def _several(path: str, field: CustomField, value: Any) -> list[str]:
    parts = value if isinstance(value, list) else str(value).split(",")
    if len(parts) > MOST_OPTIONS or any(not isinstance(part, str | int | float) or isinstance(part, bool) for part in parts):
        raise invalid(path, f"{field.label} holds a list of texts.")
    texts = list(dict.fromkeys(text for part in parts if (text := str(part).replace("\x00", "").strip()[:200])))
    wrong = [text for text in texts if field.options and text not in field.options]
    if wrong:
        raise invalid(path, f"{wrong[0]} is none of: {', '.join(field.options)}.")
    return texts


def _date(path: str, text: str) -> str:
    try:
        if len(text) == 10:
            return date.fromisoformat(text).isoformat()
        return datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        raise invalid(path, "Write a date as YYYY-MM-DD.") from None
