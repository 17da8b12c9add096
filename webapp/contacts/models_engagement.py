"""What people did with a campaign: one row per campaign and contact once they did something, and one per link that they clicked.

The ids point at rows that may be gone by now, so they are no foreign keys.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.db import Base


class Engagement(Base):
    """Opened, clicked, unsubscribed, complained: first times and how often."""

    __tablename__ = "engagements"
    __table_args__ = (Index("ix_engagements_contact_id_campaign_id", "contact_id", "campaign_id"),)
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    contact_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), index=True)
    #: first time by a person; a click implies an open
    opened_at: Mapped[datetime | None]
    clicked_at: Mapped[datetime | None]
    unsubscribed_at: Mapped[datetime | None]
    complained_at: Mapped[datetime | None]
    #: how often, by people and by machines (prefetchers, link scanners)
    opens: Mapped[int] = mapped_column(default=0)
    clicks: Mapped[int] = mapped_column(default=0)
    machine_opens: Mapped[int] = mapped_column(default=0)
    machine_clicks: Mapped[int] = mapped_column(default=0)


class LinkClick(Base):
    """How often one contact clicked one link of a campaign."""

    __tablename__ = "link_clicks"
    campaign_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    #: number of the link within the campaign, from 1
    link: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    contact_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first_at: Mapped[datetime]
    clicks: Mapped[int] = mapped_column(default=0)
    machine_clicks: Mapped[int] = mapped_column(default=0)
