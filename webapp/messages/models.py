"""Mail as it is kept: the source once per content, one message per copy in a mailbox, and the text that search looks through.

    raw_messages   the bytes, packed; small ones in the row, large ones in the blob store
    messages       one row per copy: envelope, headers and flags in columns
    message_texts  what search sees of a message, once it was parsed (see `search`: FTS5 on SQLite, `tsvector` on PostgreSQL)

    state:  received ──parse──> processed
                  └──> parked (its processing died three times; the source is safe and can be read)
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base, Timestamps, utcnow
from webapp.core.leases import Leased

DIRECTIONS = ("received", "sent")
STATES = ("received", "processed", "parked")
INBOX = "INBOX"
NAMED = "direction = 'received' AND message_id_header IS NOT NULL"
#: how many times the processing of a message may die before it is parked
MOST_DEATHS = 3


def _partial(name: str, *columns: str, only: str) -> Index:
    return Index(name, *columns, sqlite_where=text(only), postgresql_where=text(only))


def _living(name: str, *columns: str, only: str = "") -> Index:
    """An index over the rows outside the trash, so that a page of a list is a short walk down it."""
    return _partial(name, *columns, only=f"deleted_at IS NULL{f' AND {only}' if only else ''}")


class RawMessage(Base):
    """The bytes of a mail, once for all copies of the same content."""

    __tablename__ = "raw_messages"
    id: Mapped[int] = mapped_column(primary_key=True)
    #: hex SHA-256 of the bytes
    sha256: Mapped[str] = mapped_column(unique=True)
    #: length of the bytes before packing
    size_bytes: Mapped[int]
    #: Zstandard; NULL for what lies in the blob store
    packed: Mapped[bytes | None] = mapped_column(LargeBinary)
    #: key in the blob store; NULL for what lies in the row
    blob_key: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=utcnow)


class Message(Timestamps, Leased, Base):
    """One copy of a mail: in a mailbox, or (mailbox NULL) a mail of the system itself."""

    __tablename__ = "messages"
    __table_args__ = (
        _living("ix_messages_workspace_id_id", "workspace_id", "id"),
        _living("ix_messages_mailbox_id_id", "mailbox_id", "id"),
        _living("ix_messages_workspace_id_folder_id", "workspace_id", "folder", "id", only="folder IS NOT NULL"),
        _living("ix_messages_mailbox_id_folder_id", "mailbox_id", "folder", "id", only="folder IS NOT NULL"),
        _living("ix_messages_workspace_id_sent", "workspace_id", "id", only="direction = 'sent'"),
        _living("ix_messages_mailbox_id_sent", "mailbox_id", "id", only="direction = 'sent'"),
        _living("ix_messages_captured", "workspace_id", "id", only="delivery_state = 'captured'"),
        _living("ix_messages_quarantined", "workspace_id", "id", only="quarantined"),
        _living("ix_messages_delivery", "workspace_id", "id", only="delivery_state IN ('queued', 'deferred', 'held', 'uncertain')"),
        _living("ix_messages_bounced", "workspace_id", "id", only="delivery_state = 'bounced'"),
        _living("ix_messages_workspace_id_parked", "workspace_id", "id", only="state = 'parked'"),
        _living("ix_messages_is_test", "workspace_id", "id", only="is_test"),
        _partial("ix_messages_waiting", "id", only="state = 'received'"),
        _partial("ix_messages_parked", "id", only="state = 'parked'"),
        _partial("ix_messages_trash", "deleted_at", only="deleted_at IS NOT NULL"),
        Index("ix_messages_raw_id", "raw_id"),
        _partial("ix_messages_mailbox_id_message_id_header", "mailbox_id", "message_id_header", only=NAMED),
    )  # fmt: skip
    id: Mapped[int] = mapped_column(primary_key=True)
    #: written out instead of the mixin: the composite indexes above serve it
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    #: NULL for system mail
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"))
    #: `received` or `sent`
    direction: Mapped[str]
    #: one of STATES
    state: Mapped[str] = mapped_column(default="received")
    raw_id: Mapped[int] = mapped_column(ForeignKey("raw_messages.id"))
    #: MAIL FROM; empty for reports
    envelope_sender: Mapped[str] = mapped_column(default="")
    #: RCPT TO of the whole mail
    envelope_recipients: Mapped[list[Any]] = mapped_column(default=list)
    #: the address that this copy came in for
    recipient: Mapped[str | None]
    #: address of the header From
    sender: Mapped[str] = mapped_column(default="")
    sender_name: Mapped[str] = mapped_column(default="")
    #: the headers To and Cc, decoded, addresses separated by commas
    receivers_text: Mapped[str] = mapped_column(Text, default="")
    cc_text: Mapped[str] = mapped_column(Text, default="")
    subject: Mapped[str] = mapped_column(Text, default="")
    #: Message-ID and In-Reply-To without angle brackets
    message_id_header: Mapped[str | None]
    in_reply_to: Mapped[str | None]
    #: the header Date in UTC
    date: Mapped[datetime | None]
    #: the mail that this one repeats: the same bytes came for the same recipient within a day (`intake.repeats`)
    repeats_id: Mapped[int | None] = mapped_column(default=None)
    #: length of the source
    size_bytes: Mapped[int]
    has_attachments: Mapped[bool] = mapped_column(default=False)
    #: {number, filename, content_type, size, content_id, inline} of each, in the order of the mail
    attachments: Mapped[list[Any]] = mapped_column(default=list)
    #: the first words of the text, for lists
    preview: Mapped[str] = mapped_column(default="")
    #: `INBOX`; NULL: in the archive only, or not filed yet
    folder: Mapped[str | None] = mapped_column(active_history=True)
    seen: Mapped[bool] = mapped_column(default=False, active_history=True)
    #: see `core.trash`; written out so that `totals` always knows what it was before
    deleted_at: Mapped[datetime | None] = mapped_column(default=None, active_history=True)
    #: failed authentication; runs no route until it is released
    quarantined: Mapped[bool] = mapped_column(default=False)
    #: when somebody let it out of quarantine
    released_at: Mapped[datetime | None]
    #: outcome of SPF, DKIM, ARC and DMARC (`mail.authentication.Verdict.as_json`); NULL for mail that is not checked
    auth_verdict: Mapped[dict[str, Any] | None]
    #: came from a login or a trusted network
    trusted: Mapped[bool] = mapped_column(default=False)
    #: written by Mailroom itself; it may hold one-time links, so its text is kept back
    is_system: Mapped[bool] = mapped_column(default=False)
    #: test mail
    is_test: Mapped[bool] = mapped_column(default=False)
    #: parsing stopped at a limit; what was read is shown, the source is whole
    parse_limited: Mapped[bool] = mapped_column(default=False)
    #: when it was read by the job, and when it was put into its folder
    processed_at: Mapped[datetime | None]
    filed_at: Mapped[datetime | None]
    #: why it could not be read or processed, in words
    problem: Mapped[str | None] = mapped_column(Text)
    #: of sent mail: what its deliveries come to (kept by sending)
    delivery_state: Mapped[str | None]
    #: where it came from
    ip: Mapped[str | None]
    login: Mapped[str | None]
    helo: Mapped[str | None]
    request_id: Mapped[str | None]
    #: how many times a worker died over it
    deaths: Mapped[int] = mapped_column(default=0)
    #: the steps that were done with it and when (`messages.journal`); NULL before the first
    journal: Mapped[list[Any] | None]
    #: the step that a worker began; written only after somebody died over the mail
    at_step: Mapped[str | None]

    @property
    def keeps_back(self) -> bool:
        """Whether its text is for owners alone and its links for nobody."""
        return self.is_system or self.mailbox_id is None


class MessageText(Base):
    """What search sees of a message. SQLite: read by the FTS5 index `message_fts`; PostgreSQL: beside the column `words`."""

    __tablename__ = "message_texts"
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    #: `w<workspace> m<mailbox>`, so that the index itself narrows to what is searched
    scope: Mapped[str]
    subject: Mapped[str] = mapped_column(Text)
    sender: Mapped[str] = mapped_column(Text)
    receivers: Mapped[str] = mapped_column(Text)
    #: names of the attachments
    files: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
