"""Reaching campaigns: the rows that an actor sees, and how one is named and remembered in the audit log."""

import hashlib
from typing import Any

from webapp.audit.service import Target
from webapp.campaigns.models import Campaign
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import NotFound
from webapp.core.lookup import mine

#: columns that a person writes
WRITABLE = (
    "name", "subject", "from_email", "from_name", "reply_to", "preheader", "body_html", "body_format", "body_text", "mailbox_id",
    "group_ids", "segment_ids", "exclude_group_ids", "exclude_segment_ids", "track_opens", "track_clicks", "web_view", "send_rate",
)  # fmt: skip
AUDIENCE = ("group_ids", "segment_ids", "exclude_group_ids", "exclude_segment_ids")
#: what cannot be changed any more once the first copy may have left: who gets it, and as whom it is sent
FIXED_ONCE_STARTED = frozenset({*AUDIENCE, "mailbox_id", "from_email"})
#: of these the audit log keeps how long they are and a hash, not the text
LONG = ("body_html", "body_text")


def get(actor: Actor, campaign_id: int, *, for_update: bool = False) -> Campaign:
    """One campaign of the workspace, freshly read where it is locked. raises NotFound"""
    query = mine(actor, Campaign).where(Campaign.id == campaign_id)
    if for_update:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = db.session.scalar(query)
    if found is None:
        raise NotFound(f"There is no campaign with the id {campaign_id}.")
    return found


def target(campaign: Campaign) -> Target:
    return Target("campaign", campaign.id, campaign.name)


def snapshot(campaign: Campaign) -> dict[str, Any]:
    """What the audit log keeps of a campaign."""
    values = {name: getattr(campaign, name) for name in WRITABLE if name not in LONG}
    texts = {name: digest(getattr(campaign, name)) for name in LONG}
    return {**values, **texts, "status": campaign.state, "schedule_at": campaign.schedule_at}


def digest(text: str | None) -> str | None:
    """How long a text is and a hash of it.

    >>> digest("hello")
    '5 characters, sha256 2cf24dba5fb0'
    """
    if text is None:
        return None
    return f"{len(text):,} characters, sha256 {hashlib.sha256(text.encode()).hexdigest()[:12]}"
