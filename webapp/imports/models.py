"""Imports of contacts: the file, how its columns are read, how far it is, and what undoing it takes.

    draft ──> previewing ──> previewed ──> queued        (a page; the API goes to queued or previewing at once)
    queued ──> running ──> finished ──> undoing ──> undone
       │          ├── paused (by a person; goes on where it was)
       │          └── failed, cancelled (what was imported by then stays, and can be undone)

    contact_imports            one file on its way into the contacts
    contact_import_changes     what a contact was that an import changed; one that it made says so itself (`contacts.import_id`)
    contact_import_problems    rows that were refused, and contacts that undoing left as they were: packed, a row per batch
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, InWorkspace, Timestamps
from webapp.core.leases import Leased

STATES = ("draft", "previewing", "previewed", "queued", "running", "paused", "finished", "failed", "cancelled", "undoing", "undone")
DUPLICATES = ("skip", "update", "error")
WORKING = text("state IN ('queued', 'previewing', 'running', 'undoing')")


class ContactImport(InWorkspace, Timestamps, Leased, Base):
    """One file on its way into the contacts."""

    __tablename__ = "contact_imports"
    __table_args__ = (Index("ix_contact_imports_working", "id", sqlite_where=WORKING, postgresql_where=WORKING),)
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(default="queued")
    filename: Mapped[str]
    #: blob of the file as it was uploaded; of the CSV that was made of it, where it is no CSV in UTF-8
    file_key: Mapped[str]
    ready_key: Mapped[str | None]
    size_bytes: Mapped[int]
    #: bytes of the CSV that is read
    ready_bytes: Mapped[int | None]
    #: column title -> field, `custom.KEY`, or "" for one that is left out
    mapping: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: kind, encoding, separator and titles, as found in the file
    shape: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: one of DUPLICATES
    duplicates: Mapped[str] = mapped_column(default="update")
    tag_ids: Mapped[list[Any]] = mapped_column(default=list)
    group_ids: Mapped[list[Any]] = mapped_column(default=list)
    #: what the people in it agreed to, for the evidence of consent
    consent: Mapped[str | None]
    #: whether the event stream hears of each contact
    announce: Mapped[bool] = mapped_column(default=False)
    #: who gave it, as the audit log names them
    giver: Mapped[dict[str, Any]]
    #: rows of the file, as far as it is known
    total: Mapped[int | None]
    #: rows that are done, and the byte and the line where it goes on
    position: Mapped[int] = mapped_column(default=0)
    byte: Mapped[int] = mapped_column(default=0)
    line: Mapped[int] = mapped_column(default=0)
    created: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    #: on the suppression list or unsubscribed: taken, but never subscribed
    suppressed: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    #: ids of contacts that it made lie between these
    first_id: Mapped[int | None]
    last_id: Mapped[int | None]
    #: what the preview found: counts, the first rows as they would become, the first errors
    preview: Mapped[dict[str, Any] | None]
    #: why it failed, in words
    problem: Mapped[str | None]
    #: state in which it was before somebody paused it or began to undo it
    came_from: Mapped[str | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    #: seconds that were worked on it, for the rate
    worked_s: Mapped[float] = mapped_column(default=0.0)
    #: undoing: "changed" contacts first, then those "made"; the id where it goes on; what became of them
    undo_stage: Mapped[str | None]
    undo_position: Mapped[int] = mapped_column(default=0)
    restored: Mapped[int] = mapped_column(default=0)
    removed: Mapped[int] = mapped_column(default=0)
    left_alone: Mapped[int] = mapped_column(default=0)
    undone_at: Mapped[datetime | None]


class ImportChange(Base):
    """What one contact was before an import touched it; goes when undoing is no longer offered."""

    __tablename__ = "contact_import_changes"
    import_id: Mapped[int] = mapped_column(ForeignKey("contact_imports.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    contact_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    #: column -> value as it was, for what the import changed; NULL where the import made the contact and gave it tags of its own
    before: Mapped[dict[str, Any] | None]
    #: column -> value as the import made it; `tags` and `groups`: the ids that it added
    after: Mapped[dict[str, Any]]


class ImportProblem(Base):
    """Rows of one batch that could not be taken, packed as lines of CSV: line, address, what is wrong, and the row itself."""

    __tablename__ = "contact_import_problems"
    __table_args__ = (Index("ix_contact_import_problems_import_id_id", "import_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    import_id: Mapped[int] = mapped_column(ForeignKey("contact_imports.id", ondelete="CASCADE"))
    #: row: refused; undo: left as it was
    kind: Mapped[str]
    number: Mapped[int]
    packed: Mapped[bytes] = mapped_column(LargeBinary)
