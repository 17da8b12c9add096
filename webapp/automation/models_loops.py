"""What mailboxes exchange by themselves with whom, counted, so that a loop ends and a person hears of it (RELIABILITY C-17)."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base

KINDS = ("reply", "forward", "target", "return")


class Exchange(Base):
    """Automatic mail of one kind between a mailbox and somebody: how much of it there was lately, and whether it is stopped.

        reply    answers to an address, or to `@domain` as a whole
        forward  mail of a sender that was sent on; `target`: mail that was sent on to an address
        return   the sender of forwarded mail, to whom reports about it go back
    """

    __tablename__ = "exchanges"
    __table_args__ = (
        UniqueConstraint("mailbox_id", "kind", "correspondent"),
        Index("ix_exchanges_kind_correspondent", "kind", "correspondent"),
        Index("ix_exchanges_workspace_id_stopped_at", "workspace_id", "stopped_at"),
        Index("ix_exchanges_last_at", "last_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"))
    #: one of KINDS
    kind: Mapped[str]
    #: a normalised address, or `@` and a domain
    correspondent: Mapped[str]
    #: since when the mails of the window at hand are counted, and how many they are
    window_at: Mapped[datetime]
    window_count: Mapped[int] = mapped_column(default=0)
    #: the last one
    last_at: Mapped[datetime]
    #: set while nothing more goes by itself, with the reason in words
    stopped_at: Mapped[datetime | None]
    stopped_why: Mapped[str | None] = mapped_column(Text)
