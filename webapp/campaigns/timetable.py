"""Scheduled campaigns begin when their time comes, also when nobody was there at that moment (RELIABILITY C-33).

    up to an hour late     sent, and the audit log says how late
    up to twelve hours     sent as well, and the owners hear of it
    later                  not sent: a draft again, and the owners hear of it; what was meant for the morning may be wrong by then

One that cannot begin (nobody left to get it, its account is paused) is a draft again too.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.campaigns import life, notices, starting
from webapp.campaigns.models import Campaign
from webapp.campaigns.rows import target
from webapp.core import failpoints, live, queue
from webapp.core.actor import Actor
from webapp.core.db import database_now, db
from webapp.core.errors import HouseError
from webapp.core.wording import span

#: later than this the owners hear of it, and later than that it is not sent
TOLD, TOO_LATE = timedelta(hours=1), timedelta(hours=12)
#: what the scheduler's second and a busy worker make is not worth a word
SLIGHT = timedelta(minutes=1)


def _due(now: datetime) -> Any:
    return select(Campaign.id).where(Campaign.state == "scheduled", Campaign.schedule_at <= now, Campaign.deleted_at.is_(None))


def has_due() -> bool:
    """Whether the time of a campaign has come."""
    return db.session.scalar(_due(database_now()).limit(1)) is not None


def start_due() -> int:
    """Begin those whose time has come; returns how many were looked at. Commits."""
    number = 0
    while True:
        campaign_id = db.session.scalar(_due(database_now()).order_by(Campaign.schedule_at).limit(1))
        if campaign_id is None:
            db.session.rollback()
            return number
        _begin(campaign_id)
        db.session.commit()
        number += 1


def _begin(campaign_id: int) -> None:
    query = select(Campaign).where(Campaign.id == campaign_id, Campaign.state == "scheduled").with_for_update(of=Campaign)
    campaign = db.session.scalar(query.execution_options(populate_existing=True))
    if campaign is None or campaign.schedule_at is None:
        return
    late, actor = database_now() - campaign.schedule_at, Actor.system(campaign.workspace_id)
    if late > TOO_LATE:
        _give_back(actor, campaign, f"It was to go out {span(late.total_seconds())} ago, when nothing here was running.")
        return
    before = {"status": "scheduled", "schedule_at": campaign.schedule_at}
    try:
        with db.session.begin_nested():
            starting.start(actor, campaign)
    except HouseError as error:
        db.session.refresh(campaign)
        _give_back(actor, campaign, error.message)
        return
    failpoints.hit("campaign.started")
    queue.ring(life.DRAIN)
    after: dict[str, Any] = {"status": "sending"}
    if late > SLIGHT:
        after["late"] = span(late.total_seconds())
    if late > TOLD:
        notices.started_late(campaign, f"It was to begin {span(late.total_seconds())} earlier, when nothing here was running.")
    audit.record(actor, "campaign.send", target(campaign), before=before, after=after)
    live.notify(campaign.workspace_id, life.LIVE_EVENT)


def _give_back(actor: Actor, campaign: Campaign, why: str) -> None:
    """It is a draft again, and the owners know."""
    before = {"status": campaign.state, "schedule_at": campaign.schedule_at}
    campaign.state, campaign.schedule_at = "draft", None
    db.session.flush()
    audit.record(actor, "campaign.unschedule", target(campaign), before=before, after={"status": "draft", "why": why})
    notices.not_started(campaign, why)
    live.notify(campaign.workspace_id, life.LIVE_EVENT)
