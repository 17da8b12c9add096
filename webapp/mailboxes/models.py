"""Mailboxes: addresses that receive, send, or both; where all routing begins, and who logs in over SMTP.

    mailboxes          the addresses with their settings and limits
    mailbox_minutes    how many mails went through in each minute of the last day
    mailbox_warnings   which limit was near or reached, and who was told
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, event, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.counters import Counted
from webapp.core.db import Base, InWorkspace, Timestamps, Trashable, utcnow
from webapp.domains.state_counts import CountedByStatus

LIVING = text("deleted_at IS NULL")
FILLING = text("filling IS NOT NULL")
MEBIBYTE = 1024 * 1024
DEFAULT_MESSAGE_BYTES = 10 * MEBIBYTE


class Mailbox(InWorkspace, Timestamps, Trashable, Counted, CountedByStatus, Base):
    """One address under a domain. The address is unique among the living mailboxes of the whole installation."""

    __tablename__ = "mailboxes"
    __table_args__ = (
        Index("uq_mailboxes_email_living", "email", unique=True, sqlite_where=LIVING, postgresql_where=LIVING),
        Index("ix_mailboxes_workspace_id_email", "workspace_id", "email"),
        Index("ix_mailboxes_workspace_id_status_id", "workspace_id", "status", "id"),
        Index("ix_mailboxes_domain_id_email", "domain_id", "email"),
        Index("ix_mailboxes_filling", "workspace_id", "filling", "id", sqlite_where=FILLING, postgresql_where=FILLING),
        Index("ix_mailboxes_counted_at", "counted_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    #: the domain that it belongs to
    domain_id: Mapped[int] = mapped_column(ForeignKey("domains.id", ondelete="CASCADE"))
    #: what stands before the @, lower case
    local_part: Mapped[str]
    #: the whole address in normal form
    email: Mapped[str]
    #: shown beside the address in mail that it sends
    display_name: Mapped[str | None] = mapped_column(default=None)
    #: Argon2id of the SMTP password
    password_hash: Mapped[str]
    #: whether it takes mail
    can_receive: Mapped[bool] = mapped_column(default=True)
    #: whether it may send mail
    can_send: Mapped[bool] = mapped_column(default=True)
    #: active or paused; a paused one neither takes nor sends mail
    status: Mapped[str] = mapped_column(default="active", active_history=True)
    #: most mails an hour, a day, and altogether; None: no limit
    hourly_limit: Mapped[int | None] = mapped_column(default=None)
    daily_limit: Mapped[int | None] = mapped_column(default=None)
    total_limit: Mapped[int | None] = mapped_column(default=None)
    #: largest mail it takes, in bytes
    max_message_bytes: Mapped[int] = mapped_column(default=DEFAULT_MESSAGE_BYTES)
    #: most bytes that its mail may fill; None: no limit
    storage_limit_bytes: Mapped[int | None] = mapped_column(default=None)
    #: whether mail stays in the archive
    archive_enabled: Mapped[bool] = mapped_column(default=True)
    #: days for which it stays there; None: for ever
    archive_retention_days: Mapped[int | None] = mapped_column(default=None)
    #: what becomes of mail that no route matched: deliver (into a folder) or archive_only
    default_delivery: Mapped[str] = mapped_column(default="deliver")
    #: normal, or verbose: also log routes that did not match
    log_level: Mapped[str] = mapped_column(default="normal")
    #: run routes on mail that fails SPF, DKIM and DMARC too (closed networks)
    allow_unauthenticated: Mapped[bool] = mapped_column(default=False)
    #: the system's own mailbox, which gets warnings
    is_system: Mapped[bool] = mapped_column(default=False)
    #: for people, at most 120 characters
    note: Mapped[str | None] = mapped_column(default=None)
    #: address, display name and note in small letters, for the search box; kept by the session
    search_text: Mapped[str] = mapped_column(default="")
    #: what it may keep: `near` from 80 percent of a limit on, `full` at the limit; None: room enough, or no limit
    filling: Mapped[str | None] = mapped_column(default=None)
    #: when its messages and their bytes were last counted one by one and the counters compared; None: not yet
    counted_at: Mapped[datetime | None] = mapped_column(default=None)

    @property
    def domain_name(self) -> str:
        return self.email.rpartition("@")[2]

    @property
    def may_receive(self) -> bool:
        """Whether mail for it is taken now."""
        return self.can_receive and self.status == "active"

    @property
    def may_send(self) -> bool:
        """Whether it may send now; a login of one that may not is refused at MAIL FROM."""
        return self.can_send and self.status == "active"


class MailboxMinute(Base):
    """Mails that a mailbox received or sent within one minute."""

    __tablename__ = "mailbox_minutes"
    __table_args__ = (Index("ix_mailbox_minutes_minute", "minute"),)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"), primary_key=True)
    #: received or sent
    direction: Mapped[str] = mapped_column(primary_key=True)
    #: minutes since the epoch
    minute: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int]
    #: when the last of them came
    last_at: Mapped[datetime]


class MailboxWarning(InWorkspace, Base):
    """A limit that is nearly or wholly used up: told once per limit, level and window."""

    __tablename__ = "mailbox_warnings"
    __table_args__ = (
        UniqueConstraint("mailbox_id", "limit_name", "level", "period"),
        Index("ix_mailbox_warnings_waiting", "id", sqlite_where=text("told_at IS NULL"), postgresql_where=text("told_at IS NULL")),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"))
    #: hour or day with the direction (`received hour`), total, storage
    limit_name: Mapped[str]
    #: near (80 percent) or full
    level: Mapped[str]
    #: the hour or day in which it was noticed; for total and storage the day
    period: Mapped[str]
    #: how much of how much
    used: Mapped[int]
    allowed: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=utcnow, index=True)
    #: when the warning mail was written; NULL: not yet
    told_at: Mapped[datetime | None] = mapped_column(default=None)


def searchable(mailbox: Mailbox) -> str:
    """What the search box looks through."""
    return "\n".join(text.lower() for text in (mailbox.email, mailbox.display_name, mailbox.note) if text)


@event.listens_for(Mailbox, "before_insert")
@event.listens_for(Mailbox, "before_update")
def _keep_searchable(_mapper: Any, _connection: Any, mailbox: Mailbox) -> None:
    mailbox.search_text = searchable(mailbox)
