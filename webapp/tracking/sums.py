"""The numbers of a campaign that its rows explain, and beside them those of people who are gone.

    campaign:7:opened = rows of engagements with opened_at + campaign:7:gone:opened

Gone are contacts that were deleted, and whoever was merged with somebody who did the same: two copies were opened, one row is left. So the
numbers of a campaign stay what they were, whatever becomes of the contacts.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import func, select

from webapp.contacts.models import Engagement
from webapp.core import counters
from webapp.core.bulk import among
from webapp.core.db import db

#: number -> how it follows from the rows of a campaign
OF_ROWS: dict[str, Any] = {
    "opened": func.count(Engagement.opened_at), "clicked": func.count(Engagement.clicked_at),
    "unsubscribed": func.count(Engagement.unsubscribed_at), "complained": func.count(Engagement.complained_at),
    "opens_total": func.sum(Engagement.opens), "clicks_total": func.sum(Engagement.clicks),
    "machine_opens": func.sum(Engagement.machine_opens), "machine_clicks": func.sum(Engagement.machine_clicks),
    "machine_opened": func.count().filter(Engagement.opened_at.is_(None), Engagement.machine_opens > 0),
}  # fmt: skip


def keep(workspace_id: int, contact_ids: Collection[int], sign: int) -> None:
    """Add what these contacts did to the numbers of those who are gone (sign 1), or take it away (-1)."""
    named = [number.label(name) for name, number in OF_ROWS.items()]
    theirs = Engagement.workspace_id == workspace_id, among(Engagement.contact_id, contact_ids)
    found: dict[tuple[int, str], int] = {}
    for row in db.session.execute(select(Engagement.campaign_id, *named).where(*theirs).group_by(Engagement.campaign_id)):
        for name in OF_ROWS:
            found[workspace_id, f"campaign:{row.campaign_id}:gone:{name}"] = sign * int(getattr(row, name) or 0)
    counters.bump_many(found)


def hold(workspace_id: int, contact_ids: Collection[int]) -> None:
    """Lock what these contacts did until the end of the transaction, in the order in which hits are written (`counting.lock`)."""
    theirs = Engagement.workspace_id == workspace_id, among(Engagement.contact_id, contact_ids)
    order = Engagement.campaign_id, Engagement.contact_id
    db.session.execute(select(Engagement.campaign_id).where(*theirs).order_by(*order).with_for_update()).all()
