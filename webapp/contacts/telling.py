"""Who hears of a change: the event stream, in the same transaction, and open pages after it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from webapp.contacts.models import Contact
from webapp.core import live
from webapp.core.db import utcnow
from webapp.happenings import stream

#: what open pages hear after the commit
LIVE_EVENT = "contacts-changed"


def tell(workspace_id: int) -> None:
    """Open pages of the workspace ask again."""
    live.notify(workspace_id, LIVE_EVENT)


def created(contact: Contact) -> None:
    note_created(contact.workspace_id, [contact.id], contact.source)


def note_created(workspace_id: int, contact_ids: Iterable[int], source: str) -> None:
    _note("contact.created", workspace_id, contact_ids, {"source": source})


def note_updated(workspace_id: int, contact_ids: Iterable[int], changed: Sequence[str], **more: Any) -> None:
    """changed  the names of the fields as the API has them"""
    _note("contact.updated", workspace_id, contact_ids, {"changed": list(changed), **more})


def note_deleted(workspace_id: int, gone: Mapping[int, str | None]) -> None:
    """gone  id -> address; None for a person whom nobody is to know"""
    now = utcnow()
    common = {"type": "contact.deleted", "workspace_id": workspace_id, "at": now}
    stream.note_many(
        {**common, "contact_id": contact_id, "details": {"email": address} if address else None} for contact_id, address in gone.items()
    )
    tell(workspace_id)


def _note(type: str, workspace_id: int, contact_ids: Iterable[int], details: dict[str, Any]) -> None:
    now = utcnow()
    stream.note_many(
        {"type": type, "workspace_id": workspace_id, "at": now, "contact_id": contact_id, "details": details} for contact_id in contact_ids
    )
    tell(workspace_id)
