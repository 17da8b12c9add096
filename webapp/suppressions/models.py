"""The suppression list: who gets no mail from this workspace any more, and why."""

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.counters import Counted
from webapp.core.db import Base, Timestamps

#: why an address is on the list, with the words that pages and replies use
REASONS: dict[str, str] = {
    "hard_bounce": "hard bounce", "complaint": "spam complaint", "unsubscription": "unsubscription", "manual": "manual import",
}  # fmt: skip
#: which mail is kept back: all of it, or one stream alone
SCOPES = ("all", "bulk", "transactional")
#: who put it there
SOURCES = ("smtp", "report", "feedback", "repeated", "unsubscribe", "page", "api", "import")


class Suppression(Timestamps, Counted, Base):
    """One reason for which one address gets no mail. Several reasons are several rows, and each is lifted by itself."""

    __tablename__ = "suppressions"
    __table_args__ = (
        UniqueConstraint("workspace_id", "hash", "reason", "scope"),
        Index("ix_suppressions_workspace_id_id", "workspace_id", "id"),
        Index("ix_suppressions_workspace_id_address_id", "workspace_id", "address", "id", postgresql_ops={"address": "text_pattern_ops"}),
        Index("ix_suppressions_workspace_id_reason_id", "workspace_id", "reason", "id"),
        Index("ix_suppressions_key_mark_id", "key_mark", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    #: written out instead of the mixin: the composite indexes above serve it
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    #: normalised address; NULL once the person was erased: the hash still knows them
    address: Mapped[str | None]
    #: keyed hash of workspace and address, by which recipients are looked up
    hash: Mapped[str]
    #: names the key that made `hash`, so that rows are hashed anew when the key is rotated
    key_mark: Mapped[str]
    #: one of REASONS
    reason: Mapped[str]
    #: one of SCOPES
    scope: Mapped[str] = mapped_column(default="all")
    #: one of SOURCES
    source: Mapped[str]
    #: who added it, by name; NULL where a bounce or a complaint did
    added_by: Mapped[str | None]
    #: for people
    note: Mapped[str | None]
    #: what the other side said, of a bounce or a complaint
    said: Mapped[str | None]
    #: the delivery and the event that caused it, and the mail that reported it; they may be gone by now
    delivery_id: Mapped[int | None]
    event_id: Mapped[int | None]
    message_id: Mapped[int | None]
