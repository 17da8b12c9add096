"""What leaves: `outgoing` is the mail, `delivery` the ledger with one row per recipient, `attempt` each try with its dialogue
(a copy of a campaign that was taken at once has none, see `attempts.of`).

    queued ──claim──> leased ──> sent | bounced | deferred ──(time)──> leased …
       │                 └────> uncertain (on the wire when its holder died, or no answer to the final dot)
       ├── captured (transport `capture`: nothing leaves)
       └── held, cancelled (by a person; held also while there is no way out), suppressed

`next_attempt_at` is set exactly while a row waits for its time (not while it waits for its campaign), the lease exactly while somebody
works on it, so both indexes stay small.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.counters import Counted
from webapp.core.db import Base, InWorkspace, Timestamps
from webapp.core.leases import Leased

#: every state of a delivery, in the order in which pages show them
STATES = ("queued", "leased", "deferred", "uncertain", "held", "sent", "bounced", "captured", "cancelled", "suppressed")
#: states that nothing follows by itself
FINAL = frozenset({"sent", "bounced", "captured", "cancelled", "suppressed"})
STREAMS = ("transactional", "bulk")
KINDS = ("api", "smtp", "forward", "auto_reply", "system", "campaign")
OF_CAMPAIGN = text("campaign_id IS NOT NULL")


class Outgoing(InWorkspace, Timestamps, Base):
    """One mail on its way out; its recipients are deliveries."""

    __tablename__ = "outgoing"
    __table_args__ = (
        Index("ix_outgoing_mailbox_id_created_at", "mailbox_id", "created_at"),
        Index("ix_outgoing_workspace_id_message_id_header", "workspace_id", "message_id_header"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    #: the mailbox that sends; NULL for system mail
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailboxes.id", ondelete="SET NULL"))
    #: its copy in the archive
    message_id: Mapped[int | None] = mapped_column(ForeignKey("messages.id", ondelete="SET NULL"), index=True)
    #: the source as it goes over the wire, signed
    raw_id: Mapped[int] = mapped_column(ForeignKey("raw_messages.id"), index=True)
    #: MAIL FROM; empty for reports and answers by machines
    envelope_sender: Mapped[str]
    #: header From
    from_address: Mapped[str]
    subject: Mapped[str] = mapped_column(default="")
    #: header Message-ID without angle brackets; the same at each attempt
    message_id_header: Mapped[str]
    size_bytes: Mapped[int]
    #: transactional or bulk
    stream: Mapped[str] = mapped_column(default="transactional")
    #: who made it: api, smtp, forward, auto_reply, system, campaign
    kind: Mapped[str]
    #: what caused it, such as ("run", 17)
    source_type: Mapped[str | None]
    source_id: Mapped[int | None]
    #: the request that caused it
    request_id: Mapped[str | None]
    #: how many recipients it has; 0 for mails of before this was kept
    recipient_count: Mapped[int] = mapped_column(default=0, server_default="0")
    #: what its envelope sender is told: nothing (empty), `failures`, or `all` (a long delay too)
    reports: Mapped[str] = mapped_column(default="", server_default="")
    #: when its sender was told that it is delayed; that happens once
    delay_told_at: Mapped[datetime | None]


class Delivery(Counted, Leased, Timestamps, Base):
    """One recipient of one mail: the ledger's row."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("outgoing_id", "recipient"),
        Index("ix_deliveries_due", "stream", "next_attempt_at", "id",
              sqlite_where=text("next_attempt_at IS NOT NULL"), postgresql_where=text("next_attempt_at IS NOT NULL")),
        Index("ix_deliveries_lease_until", "lease_until",
              sqlite_where=text("lease_until IS NOT NULL"), postgresql_where=text("lease_until IS NOT NULL")),
        Index("ix_deliveries_report_at", "report_at",
              sqlite_where=text("report_at IS NOT NULL"), postgresql_where=text("report_at IS NOT NULL")),
        Index("ix_deliveries_held_by", "held_by", sqlite_where=text("held_by IS NOT NULL"), postgresql_where=text("held_by IS NOT NULL")),
        Index("ix_deliveries_workspace_id_id", "workspace_id", "id"),
        Index("ix_deliveries_workspace_id_state_id", "workspace_id", "state", "id"),
        # text_pattern_ops lets the index serve the beginning of an address whatever the database's collation.
        Index("ix_deliveries_workspace_id_recipient_id", "workspace_id", "recipient", "id",
              postgresql_ops={"recipient": "text_pattern_ops"}),
        Index("ix_deliveries_workspace_id_domain_id", "workspace_id", "domain", "id"),
        Index("ix_deliveries_mailbox_id_id", "mailbox_id", "id"),
        Index("ix_deliveries_campaign_id_state_id", "campaign_id", "state", "id", sqlite_where=OF_CAMPAIGN, postgresql_where=OF_CAMPAIGN),
        # "received this campaign" is asked of each contact in a window of another campaign's audience
        Index("ix_deliveries_campaign_id_contact_id", "campaign_id", "contact_id", sqlite_where=OF_CAMPAIGN, postgresql_where=OF_CAMPAIGN),
    )  # fmt: skip
    id: Mapped[int] = mapped_column(primary_key=True)
    #: written out instead of the mixin: the composite indexes above serve it
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    outgoing_id: Mapped[int] = mapped_column(ForeignKey("outgoing.id", ondelete="CASCADE"))
    #: copied from the mail, for filters and token limits
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailboxes.id", ondelete="SET NULL"))
    stream: Mapped[str] = mapped_column(default="transactional")
    #: the campaign that it is a copy of, and the contact that it goes to; the contact may be gone by now
    campaign_id: Mapped[int | None]
    contact_id: Mapped[int | None]
    #: normalised address
    recipient: Mapped[str]
    #: its domain in lower case ASCII
    domain: Mapped[str]
    #: one of STATES
    state: Mapped[str] = mapped_column(default="queued")
    #: of a bounced row: hard, soft or expired
    bounce: Mapped[str | None]
    #: of a bounced row: what the refusal was about (`mail.bounce_class`)
    bounce_class: Mapped[str | None]
    #: how many attempts were made
    attempts: Mapped[int] = mapped_column(default=0)
    #: when it goes next; set exactly while it waits (queued, deferred, uncertain that is sent again), but for copies of a campaign that
    #: stands still
    next_attempt_at: Mapped[datetime | None]
    #: where the last attempt went: host:port, `local` or `capture`
    host: Mapped[str | None]
    #: last reply of the other side: SMTP code and text
    last_code: Mapped[int | None]
    last_reply: Mapped[str | None]
    #: what went wrong without a reply
    last_error: Mapped[str | None]
    #: why it is held, in words
    held_reason: Mapped[str | None]
    #: `person`; `transport` (goes on by itself once there is a way out); `domain` or `mailbox` (until that hold is lifted)
    held_by: Mapped[str | None]
    #: boot of the machine that holds the lease: what it noted without syncing is gone after a power loss
    boot_id: Mapped[str | None]
    #: whether it was sent once more after an uncertain attempt; that happens once
    sent_again: Mapped[bool] = mapped_column(default=False)
    #: since when its outcome is in doubt
    on_wire_at: Mapped[datetime | None]
    #: when it reached a final state
    finished_at: Mapped[datetime | None]
    #: since when its five days of attempts count, where it was let go again after it had been held or had ended
    waits_from: Mapped[datetime | None]
    #: when the sender of the mail is to be told about this recipient; set while there is something to tell
    report_at: Mapped[datetime | None]


class Attempt(Base):
    """One try to hand a mail over, with what both sides said."""

    __tablename__ = "attempts"
    __table_args__ = (Index("ix_attempts_delivery_id_number", "delivery_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id", ondelete="CASCADE"))
    #: 1 for the first
    number: Mapped[int]
    at: Mapped[datetime] = mapped_column(index=True)
    #: host:port, `local` or `capture`
    host: Mapped[str]
    #: sent, retry, failed or uncertain
    outcome: Mapped[str]
    code: Mapped[int | None]
    text: Mapped[str]
    #: lines beginning with "C: " (we), "S: " (the server) or "-- " (what happened); passwords masked
    dialogue: Mapped[list[Any]] = mapped_column(default=list)
    #: how long it took
    seconds: Mapped[float]
    #: TLS of the connection and what MTA-STS made of it; NULL where no connection came about
    tls: Mapped[str | None]


class Hold(InWorkspace, Timestamps, Base):
    """Nothing leaves for a domain, or from a mailbox, until this is lifted.

    state: applying ──(every waiting row is held)──> active ──> lifting ──(every row that it held goes on)──> gone
    """

    __tablename__ = "delivery_holds"
    __table_args__ = (UniqueConstraint("workspace_id", "domain"), UniqueConstraint("workspace_id", "mailbox_id"))
    id: Mapped[int] = mapped_column(primary_key=True)
    #: recipients at this domain; NULL for a hold of a mailbox
    domain: Mapped[str | None]
    #: mail of this mailbox; NULL for a hold of a domain
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailboxes.id", ondelete="CASCADE"))
    #: why, in the words of whoever ordered it
    reason: Mapped[str] = mapped_column(default="")
    #: who ordered it, by name
    held_by: Mapped[str]
    #: applying, active or lifting
    state: Mapped[str] = mapped_column(default="applying")


class Order(InWorkspace, Timestamps, Leased, Base):
    """One step over all deliveries that a filter matches: it goes through them by id, a batch per transaction.

    state: running ──> done, or stopped by a person
    """

    __tablename__ = "delivery_orders"
    __table_args__ = (Index("ix_delivery_orders_running", "id", sqlite_where=text("state = 'running'"),
                            postgresql_where=text("state = 'running'")),)  # fmt: skip
    id: Mapped[int] = mapped_column(primary_key=True)
    #: retry, hold, release, cancel, treat_as_sent or send_again
    verb: Mapped[str]
    #: which deliveries, as `listing.filtered` takes it
    filter: Mapped[dict[str, Any]]
    #: who gave it, as the audit log names them, and the limits of their token
    giver: Mapped[dict[str, Any]]
    #: running, done or stopped
    state: Mapped[str] = mapped_column(default="running")
    #: deliveries that it looked for when it was given
    total: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    #: ids up to this one have been looked at; it ends at `last_id`, so that newer mail is not touched
    position: Mapped[int] = mapped_column(default=0)
    last_id: Mapped[int] = mapped_column(default=0)
    finished_at: Mapped[datetime | None]
