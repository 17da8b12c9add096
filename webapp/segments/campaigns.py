"""What segments know of campaigns, which stand above them: tables by their columns alone, who received one, which was the last.

The last one is the newest that is done, so that a campaign whose own segment asks for it does not mean itself.
A campaign is received once its letter was accepted or written into the catcher: ledger states `sent` and `captured`.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, column, select, table

from webapp.core.db import Json, UTCDateTime, db
from webapp.segments.values import LAST

CAMPAIGNS: Any = table(
    "campaigns", column("id"), column("workspace_id"), column("name"), column("state"), column("started_at", UTCDateTime()),
    column("deleted_at"), column("segment_ids", Json), column("exclude_segment_ids", Json),
)  # fmt: skip
DELIVERIES: Any = table("deliveries", column("campaign_id"), column("contact_id"), column("state"))
RECEIVED = ("sent", "captured")
#: states in which a campaign still asks its segments who gets it
ASKING = ("scheduled", "sending", "paused")
#: campaigns that the builder offers
MOST_OFFERED = 100


def ids(workspace_id: int, named: Iterable[int | str]) -> list[int]:
    """Those of the campaigns that the workspace has, with `last` looked up: one query, or two."""
    wanted = {one for one in named if isinstance(one, int)}
    if LAST in named:
        sent = _mine(workspace_id, CAMPAIGNS.c.id).where(CAMPAIGNS.c.state == "sent", CAMPAIGNS.c.deleted_at.is_(None))
        last = db.session.scalar(sent.order_by(CAMPAIGNS.c.started_at.desc(), CAMPAIGNS.c.id.desc()).limit(1))
        wanted |= set() if last is None else {last}
    if not wanted:
        return []
    return sorted(db.session.scalars(_mine(workspace_id, CAMPAIGNS.c.id).where(CAMPAIGNS.c.id.in_(wanted))))


def received(campaign_ids: list[int]) -> Select[Any]:
    """Ids of contacts that received one of these campaigns."""
    wanted = DELIVERIES.c.campaign_id.in_(campaign_ids), DELIVERIES.c.state.in_(RECEIVED), DELIVERIES.c.contact_id.is_not(None)
    return select(DELIVERIES.c.contact_id).where(*wanted)


def offered(workspace_id: int) -> list[tuple[int, str]]:
    """(id, name) of campaigns that were started, the newest first."""
    query = _mine(workspace_id, CAMPAIGNS.c.id, CAMPAIGNS.c.name)
    query = query.where(CAMPAIGNS.c.started_at.is_not(None), CAMPAIGNS.c.deleted_at.is_(None))
    return [(row.id, row.name) for row in db.session.execute(query.order_by(CAMPAIGNS.c.started_at.desc()).limit(MOST_OFFERED))]


def names(workspace_id: int, campaign_ids: Iterable[int]) -> dict[int, str]:
    """Id -> name, of those that there are."""
    query = _mine(workspace_id, CAMPAIGNS.c.id, CAMPAIGNS.c.name).where(CAMPAIGNS.c.id.in_(list(campaign_ids)))
    return {row.id: row.name for row in db.session.execute(query)}


def asking(workspace_id: int, segment_id: int) -> list[tuple[int, str, str]]:
    """(id, name, state) of campaigns that are on their way and name this segment."""
    of = CAMPAIGNS.c
    query = _mine(workspace_id, of.id, of.name, of.state, of.segment_ids, of.exclude_segment_ids)
    rows = db.session.execute(query.where(of.state.in_(ASKING), of.deleted_at.is_(None)).order_by(of.id))
    return [(row.id, row.name, row.state) for row in rows if segment_id in [*row.segment_ids, *row.exclude_segment_ids]]


def _mine(workspace_id: int, *columns: Any) -> Select[Any]:
    return select(*columns).where(CAMPAIGNS.c.workspace_id == workspace_id)
