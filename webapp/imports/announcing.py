"""What the event stream hears of an import: always that it is complete; each contact only where the import was asked to announce them.

A list of a million addresses would call every webhook a million times, which those who listen for single sign-ups seldom want; so that
is off unless somebody asks for it. The events of a batch are written by its transaction: exactly one for each contact that it made or
changed, whatever is killed when.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import literal, null, select

from webapp.contacts.models import Contact
from webapp.core.db import Json, UTCDateTime
from webapp.happenings import stream
from webapp.imports.models import ContactImport

SOURCE = "import"
#: what an image of a contact holds beside fields as the API names them
_ASIDE = frozenset({"updated_at", "unsubscribed_at"})
COUNTS = ("created", "updated", "unchanged", "skipped", "suppressed", "failed")


def created(import_id: int, mine: Any, now: datetime) -> None:
    """New contacts; mine: the condition that finds them. The database copies the events itself."""
    facts = literal({"source": SOURCE, "import_id": import_id}, Json)
    about = {"contact_id": Contact.id, "details": facts}
    columns: list[Any] = [Contact.workspace_id, literal(now, UTCDateTime()), literal("contact.created")]
    columns += [about.get(name, null()) for name in stream.EMPTY]
    stream.note_rows_of(select(*columns).where(mine).order_by(Contact.id))


def changed(workspace_id: int, import_id: int, images: Sequence[tuple[int, Mapping[str, Any]]], now: datetime) -> None:
    """Contacts that were changed: (id, what they became by name, also `tags` and `groups`)."""
    common = {"type": "contact.updated", "workspace_id": workspace_id, "at": now}
    stream.note_many(
        {**common, "contact_id": contact_id, "details": {"changed": sorted(set(after) - _ASIDE), "source": SOURCE, "import_id": import_id}}
        for contact_id, after in images
    )


def completed(job: ContactImport, now: datetime) -> None:
    """It came to its end."""
    counts = {name: getattr(job, name) for name in COUNTS}
    facts = {"import_id": job.id, "filename": job.filename, "rows": job.position, **counts}
    stream.note("import.completed", workspace_id=job.workspace_id, at=now, details=facts)
