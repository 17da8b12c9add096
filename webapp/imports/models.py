"""Imports of contacts: the file, how its columns are read, how far it is, and what undoing it takes.

state: queued ──> running ──> finished ──> undoing ──> undone
          │          ├── paused (by a person; goes on where it was)
          │          └── failed, cancelled (what was imported by then stays, and can be undone)
          └── previewing ──> previewed (counts alone; nothing changes)
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, InWorkspace, Timestamps
from webapp.core.leases import Leased

STATES = ("queued", "previewing", "previewed", "running", "paused", "finished", "failed", "cancelled", "undoing", "undone")
WORKING = text("state IN ('queued', 'previewing', 'running', 'undoing')")


class ContactImport(InWorkspace, Timestamps, Leased, Base):
    """One file on its way into the contacts."""

    __tablename__ = "contact_imports"
    __table_args__ = (Index("ix_contact_imports_working", "id", sqlite_where=WORKING, postgresql_where=WORKING),)
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(default="queued")
    filename: Mapped[str]
    #: blob of the file as it was uploaded, and of the rows that were refused
    file_key: Mapped[str]
    errors_key: Mapped[str | None]
    size_bytes: Mapped[int]
    #: column title -> field, `custom.KEY`, or "" for one that is left out
    mapping: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: encoding, separator, sheet: as found in the file
    shape: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: skip, update or error
    duplicates: Mapped[str] = mapped_column(default="update")
    tag_ids: Mapped[list[Any]] = mapped_column(default=list)
    group_ids: Mapped[list[Any]] = mapped_column(default=list)
    #: what the people in it agreed to, for the evidence of consent
    consent: Mapped[str | None]
    #: who gave it, as the audit log names them
    giver: Mapped[dict[str, Any]]
    #: rows of the file, as far as it is known
    total: Mapped[int | None]
    #: rows that are done; where it goes on
    position: Mapped[int] = mapped_column(default=0)
    created: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    #: on the suppression list: taken, but never subscribed
    suppressed: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    #: why it failed, in words
    problem: Mapped[str | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    #: seconds that were worked on it, for the rate
    worked_s: Mapped[float] = mapped_column(default=0.0)


class ImportChange(Base):
    """What one contact was before an import touched it; goes when undoing is no longer offered."""

    __tablename__ = "contact_import_changes"
    import_id: Mapped[int] = mapped_column(ForeignKey("contact_imports.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    contact_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    #: columns, tags and groups as they were; NULL where the import made the contact
    before: Mapped[dict[str, Any] | None]
    #: what the import made of it, so that undoing leaves alone what was changed since
    after: Mapped[dict[str, Any] | None]
