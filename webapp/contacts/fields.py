"""Custom fields: what a workspace wants to know beside the fixed columns, and which values they hold.

The key of a field is made from its label and never changes, because merge tags, segments and the JSON of contacts name it. A key that
nobody defined becomes a field by itself when it comes in with a contact, unless the workspace has set `strict_custom_fields`.
"""

import re
import unicodedata
from typing import Any

from sqlalchemy import func, select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.contacts.field_values import KEY, MOST_OPTIONS, default_of, next_position, of_workspace
from webapp.contacts.models import FIELD_TYPES, Contact, CustomField
from webapp.contacts.telling import tell
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import invalid
from webapp.core.lookup import get_mine, mine
from webapp.domains.taken import unless_taken

#: contacts that are looked at to say how many hold a value
LOOKED = 10_000
CHOICES = ("dropdown", "multi_select")
SETTINGS = ("label", "type", "options", "placeholder", "required", "default", "position")


def list_fields(actor: Actor) -> list[CustomField]:
    """All of the workspace, in the order of pages."""
    actor.require("contacts:read")
    return of_workspace(actor.workspace_id)


def get_field(actor: Actor, field_id: int) -> CustomField:
    """raises NotFound"""
    actor.require("contacts:read")
    return get_mine(actor, CustomField, field_id, "custom field")


def create_field(
    actor: Actor, *, label: str, key: str | None = None, type: str = "text", options: list[Any] | None = None,
    placeholder: str | None = None, required: bool = False, default: Any = None, position: int | None = None,
) -> CustomField:  # fmt: skip
    """Define one. raises Invalid about key (malformed, or taken), label, type, options or default"""
    actor.require("contacts:write")
    label = _label(label)
    key = _key(key) if key else key_of(label)
    taken = f"There is a field with the key {key} already. Choose another key or change that field."
    if db.session.scalar(mine(actor, CustomField).where(CustomField.key == key)) is not None:
        raise invalid("key", taken)
    field = CustomField(workspace_id=actor.workspace_id, key=key, label=label)
    given = {"type": type, "options": options or [], "placeholder": placeholder, "required": required, "default": default}
    _set(field, {**given, "position": next_position(actor.workspace_id) if position is None else position})
    with unless_taken("key", taken):
        db.session.add(field)
    audit.record(actor, "custom_field.create", target(field), after=snapshot(field))
    tell(actor.workspace_id)
    return field


def update_field(actor: Actor, field_id: int, changes: dict[str, Any]) -> CustomField:
    """Change settings; the key stays. Values that contacts hold are left as they are. raises NotFound, Invalid"""
    actor.require("contacts:write")
    field = get_mine(actor, CustomField, field_id, "custom field", for_update=True)
    if "key" in changes and changes["key"] != field.key:
        raise invalid("key", "The key of a field stays, because contacts, segments and letters name it. Make another field instead.")
    before = snapshot(field)
    if "label" in changes:
        field.label = _label(changes["label"])
    _set(field, {name: value for name, value in changes.items() if name in SETTINGS and name != "label"})
    db.session.flush()
    audit.record(actor, "custom_field.update", target(field), before=before, after=snapshot(field))
    tell(actor.workspace_id)
    return field


def delete_field(actor: Actor, field_id: int) -> CustomField:
    """Take a definition away. Values that contacts hold stay in them, and are there again when a field with this key is made."""
    actor.require("contacts:delete")
    field = get_mine(actor, CustomField, field_id, "custom field", for_update=True)
    audit.record(actor, "custom_field.delete", target(field), before=snapshot(field))
    db.session.delete(field)
    db.session.flush()
    tell(actor.workspace_id)
    return field


def target(field: CustomField) -> Target:
    return Target("custom_field", field.id, field.label)


def snapshot(field: CustomField) -> dict[str, Any]:
    return {name: getattr(field, name) for name in ("key", *SETTINGS)}


def _label(text: str) -> str:
    label = " ".join(text.split())
    if not 1 <= len(label) <= 100:
        raise invalid("label", "A label has 1 to 100 characters.")
    return label


def _key(text: str) -> str:
    if not KEY.match(text):
        raise invalid("key", "A key begins with a letter and holds lower case letters a to z, digits and _, at most 63 in all.")
    return text


def key_of(label: str) -> str:
    """The key that is made from a label.

    >>> key_of("Größe (cm)")
    'grosse_cm'
    """
    plain = unicodedata.normalize("NFKD", label.casefold()).encode("ascii", "ignore").decode()
    key = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:63]
    return key if KEY.match(key) else f"field_{key}"[:63].rstrip("_")


def _set(field: CustomField, changes: dict[str, Any]) -> None:
    kind = changes.get("type", field.type)
    if kind not in FIELD_TYPES:
        raise invalid("type", f"Choose one of: {', '.join(FIELD_TYPES)}.")
    options = [" ".join(str(one).split()) for one in changes.get("options", field.options) or []]
    if len(options) > MOST_OPTIONS or any(not 1 <= len(one) <= 200 for one in options) or len(set(options)) != len(options):
        raise invalid("options", f"At most {MOST_OPTIONS} different options of 1 to 200 characters each.")
    if kind == "dropdown" and not options:
        raise invalid("options", "A dropdown needs at least one option.")
    for name, value in changes.items():
        setattr(field, name, value)
    field.options = options if kind in CHOICES else []
    field.placeholder = (field.placeholder or "").strip()[:200] or None
    if "default" in changes:
        value = changes["default"]
        field.default = None if value in (None, "") else str(value)
    if field.default is not None:
        default_of(field)


def used_by(field: CustomField) -> int:
    """How many of the newest LOOKED contacts hold a value; all of a million would take seconds."""
    newest = select(Contact.custom_fields[field.key].as_string().label("held")).where(Contact.workspace_id == field.workspace_id)
    some = newest.order_by(Contact.id.desc()).limit(LOOKED).subquery()
    return db.session.scalar(select(func.count()).select_from(some).where(some.c.held.is_not(None))) or 0


def put_in_order(actor: Actor, field_ids: list[int]) -> None:
    """Show the fields in this order; those that are not named come behind. raises nothing for ids that are not there"""
    actor.require("contacts:write")
    rows = of_workspace(actor.workspace_id)
    before = [field.key for field in rows]
    place = {field_id: number for number, field_id in enumerate(field_ids)}
    rows.sort(key=lambda field: place.get(field.id, len(place)))
    for number, field in enumerate(rows, 1):
        field.position = number
    db.session.flush()
    after = {"keys": [field.key for field in rows]}
    audit.record(actor, "custom_field.order", Target("custom_field", None, "Custom fields"), before={"keys": before}, after=after)
    tell(actor.workspace_id)
