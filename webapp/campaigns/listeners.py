"""What campaigns hear of others: a group that a campaign still needs is not deleted."""

from sqlalchemy import or_, select

from webapp.campaigns.models import Campaign
from webapp.core import events
from webapp.core.db import db
from webapp.core.errors import InUse

#: states in which a campaign still asks who is in its groups
ASKING = ("scheduled", "sending", "paused")
#: campaigns that a refusal names
MOST_NAMED = 5


@events.listen("contact_group_deleted")
def refuse_while_needed(workspace_id: int, group_id: int) -> None:
    """raises InUse with the campaigns that name the group"""
    states = or_(*[Campaign.state == state for state in ASKING])
    query = select(Campaign.id, Campaign.name, Campaign.state, Campaign.group_ids, Campaign.exclude_group_ids)
    query = query.where(Campaign.workspace_id == workspace_id, Campaign.deleted_at.is_(None), states).order_by(Campaign.id)
    rows = db.session.execute(query)
    found = [row for row in rows if group_id in row.group_ids or group_id in row.exclude_group_ids]
    if found:
        names = ", ".join(f"{row.name} ({row.state})" for row in found[:MOST_NAMED])
        raise InUse(
            f"Campaigns still need this group: {names}.", hint="Take it out of them, or wait until they are sent.",
            more={"campaigns": [{"id": row.id, "name": row.name, "status": row.state} for row in found[:MOST_NAMED]]},
        )  # fmt: skip
