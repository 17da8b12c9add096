"""What is kept about one contact beside its fields: notes, evidence of consent, former ids, receipts of erasures."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, InWorkspace, Timestamps


class Note(Timestamps, Base):
    """Something that a team member wrote down about a contact."""

    __tablename__ = "contact_notes"
    __table_args__ = (Index("ix_contact_notes_contact_id_id", "contact_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"))
    #: plain text
    text: Mapped[str]
    #: who wrote it, by name
    author: Mapped[str]


class Consent(Base):
    """One piece of evidence that a contact wanted mail, or wanted no more; never changed."""

    __tablename__ = "contact_consents"
    __table_args__ = (Index("ix_contact_consents_contact_id_id", "contact_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    #: subscribed or unsubscribed
    what: Mapped[str]
    #: page, api, import, form, one_click, link, bounce, complaint
    source: Mapped[str]
    #: where the request came from, as far as it is known
    ip: Mapped[str | None]
    client: Mapped[str | None]
    #: the campaign whose link was used
    campaign_id: Mapped[int | None]
    #: what they agreed to, or who says so, in words
    evidence: Mapped[str | None]


class Alias(Base):
    """The id of a contact that was merged into another one: links in mail name it for ever."""

    __tablename__ = "contact_aliases"
    #: the id that is gone
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), index=True)
    #: normalised address that it had, by which its mail is found
    address: Mapped[str]
    #: who stands for it now
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"), index=True)


class Erasure(InWorkspace, Base):
    """Receipt that a person was erased: what went, when, by whom; names nobody."""

    __tablename__ = "erasures"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    #: keyed hash of the address, by which the receipt can be checked and a restored backup be erased again
    hash: Mapped[str]
    #: names the key that made `hash`
    key_mark: Mapped[str]
    #: who ordered it, by name
    by: Mapped[str]
    #: table -> how many rows went
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: when the receipt was put into the blob store as well (`receipts`)
    kept_at: Mapped[datetime | None] = mapped_column(default=None)
