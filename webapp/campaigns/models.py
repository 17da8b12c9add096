"""Campaigns: one letter to many people, sent exactly once to each.

    draft ──> scheduled ──> sending ──> sent
      └──────────────────────┤  ↑
                          paused ┘ ──> cancelled

Who gets it stands in the ledger of deliveries (`deliveries.campaign_id`, `contact_id`): one row per address, written as it is claimed,
in the same transaction that moves `audience_position`. So whoever has a row was taken in hand once, and whoever has none was not.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.counters import Counted
from webapp.core.db import Base, InWorkspace, Timestamps, Trashable
from webapp.core.leases import Leased

STATES = ("draft", "scheduled", "sending", "paused", "sent", "cancelled")
#: states in which the letter and its audience may be changed
EDITABLE = frozenset({"draft", "scheduled", "paused"})
SCHEDULED = text("state = 'scheduled'")
SENDING = text("state = 'sending'")
STANDING = text("has_standing")


class Campaign(InWorkspace, Timestamps, Trashable, Counted, Leased, Base):
    """A letter, its audience, and how far it is."""

    __tablename__ = "campaigns"
    __table_args__ = (
        Index("ix_campaigns_workspace_id_state_id", "workspace_id", "state", "id"),
        Index("ix_campaigns_schedule_at", "schedule_at", sqlite_where=SCHEDULED, postgresql_where=SCHEDULED),
        Index("ix_campaigns_sending", "id", sqlite_where=SENDING, postgresql_where=SENDING),
        Index("ix_campaigns_standing", "id", sqlite_where=STANDING, postgresql_where=STANDING),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    #: for the team
    name: Mapped[str]
    #: one of STATES
    state: Mapped[str] = mapped_column(default="draft")
    #: the mailbox that sends it (`email_account_id` on the wire)
    mailbox_id: Mapped[int | None] = mapped_column(ForeignKey("mailboxes.id", ondelete="SET NULL"))
    from_email: Mapped[str]
    from_name: Mapped[str] = mapped_column(default="")
    reply_to: Mapped[str | None]
    #: with merge tags
    subject: Mapped[str]
    preheader: Mapped[str | None]
    #: source of the body: HTML, or MJML when `body_format` says so
    body_html: Mapped[str]
    body_format: Mapped[str] = mapped_column(default="html", server_default="html")
    #: plain text part; made from the HTML when missing
    body_text: Mapped[str | None]
    group_ids: Mapped[list[Any]] = mapped_column(default=list)
    segment_ids: Mapped[list[Any]] = mapped_column(default=list)
    exclude_group_ids: Mapped[list[Any]] = mapped_column(default=list)
    exclude_segment_ids: Mapped[list[Any]] = mapped_column(default=list)
    track_opens: Mapped[bool] = mapped_column(default=True)
    track_clicks: Mapped[bool] = mapped_column(default=True)
    #: whether a web view of it may be read by whoever has the link
    web_view: Mapped[bool] = mapped_column(default=True)
    #: most mails a minute; None: as fast as it goes
    send_rate: Mapped[int | None]
    schedule_at: Mapped[datetime | None]
    #: zone in which the schedule was given, for people
    schedule_zone: Mapped[str | None]
    #: the mail that deliveries of this campaign belong to; its source is the letter before it is filled in
    outgoing_id: Mapped[int | None] = mapped_column(ForeignKey("outgoing.id", ondelete="SET NULL"))
    #: number of the letter's present version, raised by each change while it is paused
    version: Mapped[int] = mapped_column(default=1)
    #: contacts up to this id have been looked at; it ends at `audience_last_id`, so that newer contacts do not come in
    audience_position: Mapped[int] = mapped_column(default=0)
    audience_last_id: Mapped[int | None]
    #: whether every ledger row is written
    is_expanded: Mapped[bool] = mapped_column(default=False)
    #: how many there are, estimated until `is_expanded`
    recipients_count: Mapped[int] = mapped_column(default=0)
    #: on the way through the audience: not subscribed, suppressed or twice there
    skipped_count: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    #: why it paused by itself, in words; NULL where a person did it
    paused_why: Mapped[str | None]
    #: when everybody was done
    sent_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    #: when the next recipients may be taken; set while `send_rate` makes it wait
    next_attempt_at: Mapped[datetime | None]
    #: whether rows of its ledger may stand still because it was paused or cancelled: they are let go on, or given up
    has_standing: Mapped[bool] = mapped_column(default=False, server_default=false())
    #: how many copies were tried, and how many of these had bounced, when the bounce rate began to be watched (start or resumption)
    watched_tried: Mapped[int] = mapped_column(default=0, server_default="0")
    watched_bounced: Mapped[int] = mapped_column(default=0, server_default="0")
    #: who started it, as the audit log names them
    giver: Mapped[dict[str, Any] | None]


class CampaignLink(Base):
    """One tracked link; mail names it by campaign and number."""

    __tablename__ = "campaign_links"
    __table_args__ = (UniqueConstraint("campaign_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    #: from 1; never given to another target
    number: Mapped[int]
    #: where it leads, as it stands in the letter; may hold merge tags
    url: Mapped[str]


class CampaignDomain(Base):
    """How the recipients at one domain fared, added up by the transactions that record results."""

    __tablename__ = "campaign_domains"
    __table_args__ = (Index("ix_campaign_domains_campaign_id_total", "campaign_id", "total"),)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    domain: Mapped[str] = mapped_column(primary_key=True)
    total: Mapped[int] = mapped_column(default=0)
    sent: Mapped[int] = mapped_column(default=0)
    deferred: Mapped[int] = mapped_column(default=0)
    bounced: Mapped[int] = mapped_column(default=0)
