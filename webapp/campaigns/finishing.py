"""How sending ends by itself: everybody was tried to an end, or too many mails bounced.

`sent` means that every row of the ledger is written and none is queued, leased, deferred or held for want of a way out. A copy that was
put off is tried three times more within about 36 minutes, so a campaign is done that long after its last copy went at the latest. Rows in
doubt and rows that a person holds back do not keep it open; they go on in the sending log.
"""

from typing import Any

from sqlalchemy import Row, and_, exists, or_, select

from webapp.audit import service as audit
from webapp.campaigns import life, notices, tallies
from webapp.campaigns.models import Campaign
from webapp.campaigns.rows import target
from webapp.core import failpoints, live
from webapp.core.actor import Actor
from webapp.core.db import database_now, db, reading
from webapp.happenings import stream
from webapp.sending.models import Delivery

#: a campaign is paused when more than this share bounced, once so many were tried
MOST_BOUNCED, FROM_TRIED = 0.10, 100
_UNSYNCED = {"synchronize_session": False}


def _is_open() -> Any:
    mine = Delivery.campaign_id == Campaign.id
    waits = Delivery.state.in_(("queued", "leased", "deferred"))
    return or_(
        exists().where(mine, waits), exists().where(mine, Delivery.state == "held", Delivery.held_by == "transport")
    )


def _is_done() -> Any:
    return and_(Campaign.state == "sending", Campaign.is_expanded, ~_is_open())


def has_done() -> bool:
    """Whether a campaign has reached everybody."""
    return db.session.scalar(select(Campaign.id).where(_is_done()).limit(1)) is not None


def finish_done() -> int:
    """Say of each that has reached everybody that it is sent; returns how many. Commits."""
    with reading():
        ids = list(db.session.scalars(select(Campaign.id).where(_is_done()).limit(100)))
        db.session.rollback()
    number = 0
    for campaign_id in ids:
        query = select(Campaign).where(Campaign.id == campaign_id, _is_done())
        campaign = db.session.scalar(query.with_for_update(of=Campaign).execution_options(populate_existing=True))
        if campaign is not None:
            _finish(campaign)
            failpoints.hit("campaign.before_finish")
            number += 1
        db.session.commit()
    return number


def _finish(campaign: Campaign) -> None:
    now, states = database_now(), tallies.states(campaign)
    campaign.state, campaign.sent_at, campaign.recipients_count = "sent", now, sum(states.values())
    stats = {"recipients": campaign.recipients_count, "skipped": campaign.skipped_count, **{k: v for k, v in states.items() if v}}
    db.session.flush()
    stream.note(
        "campaign.completed", workspace_id=campaign.workspace_id, at=now, campaign_id=campaign.id, outgoing_id=campaign.outgoing_id,
        mailbox_id=campaign.mailbox_id, details={"name": campaign.name, "stats": stats},
    )  # fmt: skip
    audit.record(Actor.system(campaign.workspace_id), "campaign.complete", target(campaign), after={"status": "sent", **stats})
    live.notify(campaign.workspace_id, life.LIVE_EVENT)


def bounced_too_often(campaign: Row[Any]) -> str | None:
    """Why a campaign has to stop, in words; `campaign` names id, workspace_id and what it is watched from."""
    tried, bounced = tallies.tried(campaign)
    tried, bounced = tried - campaign.watched_tried, bounced - campaign.watched_bounced
    if tried < FROM_TRIED or bounced <= tried * MOST_BOUNCED:
        return None
    return f"{bounced:,} of the last {tried:,} mails bounced ({bounced / tried:.0%}); a list with so many dead addresses harms the sender."


def stop(campaign_id: int, workspace_id: int, why: str) -> None:
    """Pause it for this reason, and tell the owners. Commits."""
    campaign = db.session.scalar(select(Campaign).where(Campaign.id == campaign_id).with_for_update(of=Campaign))
    if campaign is not None and campaign.state == "sending":
        life.pause(Actor.system(workspace_id), campaign_id, why)
        notices.paused(campaign, why)
    db.session.commit()
