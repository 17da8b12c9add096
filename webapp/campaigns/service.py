"""What can be done with campaigns until they are sent: write, list, change, duplicate, delete. Sending is in `life`."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import defer

from webapp.audit import service as audit
from webapp.campaigns import audience, checks, life
from webapp.campaigns.models import EDITABLE, STATES, Campaign
from webapp.campaigns.rows import AUDIENCE, FIXED_ONCE_STARTED, WRITABLE, get, snapshot, target
from webapp.contacts.models import Engagement, LinkClick
from webapp.core import counters, live, trash
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Conflict, InvalidState, invalid
from webapp.core.lookup import mine
from webapp.core.paging import Page, PageRequest, paginate

#: pages that show campaigns listen for it
LIVE_EVENT = life.LIVE_EVENT
SORTABLE = {
    "id": Campaign.id, "name": Campaign.name, "created_at": Campaign.created_at, "updated_at": Campaign.updated_at,
    "sent_at": Campaign.sent_at, "schedule_at": Campaign.schedule_at,
}  # fmt: skip
COPY = " (copy)"
MOST_NAME = 200


def create_campaign(
    actor: Actor, *, name: str, mailbox_id: int | None = None, from_email: str = "", schedule_at: datetime | None = None,
    schedule_zone: str | None = None, **values: Any,
) -> Campaign:  # fmt: skip
    """Write a campaign down: a draft, or with `schedule_at` one that is sent at that time.

    values  any of `rows.WRITABLE`
    raises  Invalid about a field as the API names it; Forbidden to schedule without campaigns:send
    """
    actor.require("campaigns:write")
    if schedule_at is not None:
        actor.require("campaigns:send")
        checks.moment(schedule_at)
    given = {"subject": "", "body_html": "", "from_name": "", **values, "name": name, "mailbox_id": mailbox_id}
    if from_email:
        given["from_email"] = from_email
    campaign = Campaign(workspace_id=actor.workspace_id, **{"from_email": "", **checks.clean(actor, given)})
    db.session.add(campaign)
    db.session.flush()
    estimate(campaign)
    audit.record(actor, "campaign.create", target(campaign), after=snapshot(campaign))
    live.notify(actor.workspace_id, LIVE_EVENT)
    if schedule_at is not None:
        campaign = schedule(actor, campaign.id, schedule_at, schedule_zone)
    return campaign


def estimate(campaign: Campaign) -> None:
    """How many it would reach now; kept in its row until sending finds out who they are."""
    campaign.recipients_count = audience.count(campaign)[0] if campaign.group_ids or campaign.segment_ids else 0
    db.session.flush()


def get_campaign(actor: Actor, campaign_id: int) -> Campaign:
    """raises NotFound"""
    actor.require("campaigns:read")
    return get(actor, campaign_id)


def list_campaigns(actor: Actor, asked: PageRequest, filters: dict[str, Any]) -> Page[Campaign]:
    """Campaigns of the workspace, newest first, without their bodies. filters: status, search (in name and subject)"""
    actor.require("campaigns:read")
    query: Select[Any] = mine(actor, Campaign).options(defer(Campaign.body_html, raiseload=True), defer(Campaign.body_text, raiseload=True))
    if filters.get("status"):
        query = query.where(Campaign.state == filters["status"])
    if wanted := filters.get("search"):
        query = query.where(Campaign.name.icontains(wanted, autoescape=True) | Campaign.subject.icontains(wanted, autoescape=True))
    total = None if any(filters.values()) else counters.read(actor.workspace_id, Campaign.__tablename__)
    return paginate(query, asked, sortable=SORTABLE, default="created_at", tie=Campaign.id, total=total, descending=True)


def count_states(actor: Actor) -> dict[str, int]:
    """How many campaigns are in each state."""
    actor.require("campaigns:read")
    query = mine(actor, Campaign).with_only_columns(Campaign.state, func.count()).group_by(Campaign.state)
    found: dict[str, int] = {state: int(number) for state, number in db.session.execute(query)}
    return {state: found.get(state, 0) for state in STATES}


def update_campaign(actor: Actor, campaign_id: int, changes: dict[str, Any], *, told: bool = True) -> Campaign:
    """Change what is given. What already left stays as it was: a change of a paused campaign is a new version for those who are left.

    changes  any of `rows.WRITABLE`, and schedule_at (None: back to a draft) with schedule_zone
    told     False where the newest entry of the audit log speaks for this change too (`autosaving`)
    raises   InvalidState while it is sending or after it ended, and for who gets a paused one; Invalid; Forbidden to change what waits
             to be sent without campaigns:send
    """
    actor.require("campaigns:write")
    campaign = get(actor, campaign_id, for_update=True)
    if campaign.state not in EDITABLE:
        doing = "is being sent; pause it first" if campaign.state == "sending" else f"was {campaign.state}; duplicate it to write another"
        raise InvalidState(f"{campaign.name} cannot be changed: it {doing}.", more={"status": campaign.state})
    if campaign.state != "draft" or changes.get("schedule_at") is not None:
        actor.require("campaigns:send")
    written = {name: value for name, value in changes.items() if name in WRITABLE and value != getattr(campaign, name)}
    _refuse_fixed(campaign, written)
    before = snapshot(campaign)
    if "mailbox_id" in written and "from_email" not in written and campaign.from_email:
        written["from_email"] = campaign.from_email  # the address may have been allowed for the account before alone
    for name, value in checks.clean(actor, written, campaign.mailbox_id).items():
        setattr(campaign, name, value)
    if campaign.state == "scheduled":
        checks.require_ready(campaign)
    db.session.flush()
    if snapshot(campaign) != before:
        if campaign.started_at is not None:
            campaign.version += 1
        elif told or set(written) & set(AUDIENCE):
            estimate(campaign)
        db.session.flush()
        if told:
            audit.record(actor, "campaign.update", target(campaign), before=before, after=snapshot(campaign))
        live.notify(actor.workspace_id, LIVE_EVENT)
    if "schedule_at" in changes:
        campaign = _reschedule(actor, campaign, changes)
    return campaign


def _refuse_fixed(campaign: Campaign, written: dict[str, Any]) -> None:
    """raises InvalidState for what is settled once sending began"""
    if campaign.started_at is None:
        return
    fixed = [name for name in written if name in FIXED_ONCE_STARTED]
    if fixed:
        name = checks.WIRE.get(fixed[0], fixed[0])
        text = "Who gets it, and as whom, is settled once sending began. Duplicate the campaign to write to others."
        raise InvalidState(text, fields={name: [text]}, more={"status": campaign.state})


def _reschedule(actor: Actor, campaign: Campaign, changes: dict[str, Any]) -> Campaign:
    at = changes["schedule_at"]
    if at is None:
        return life.unschedule(actor, campaign.id) if campaign.state == "scheduled" else campaign
    if at == campaign.schedule_at and campaign.state == "scheduled":
        return campaign
    return schedule(actor, campaign.id, at, changes.get("schedule_zone"))


def schedule(actor: Actor, campaign_id: int, at: datetime | None, zone: str | None = None) -> Campaign:
    """Have it sent at that time; one that is scheduled already gets the new time. raises Invalid, InvalidState"""
    actor.require("campaigns:send")
    campaign = get(actor, campaign_id, for_update=True)
    if campaign.state in ("draft", "scheduled"):
        checks.moment(at)
        checks.require_ready(campaign)
    return life.schedule(actor, campaign_id, at, checks.zone(zone))


def duplicate_campaign(actor: Actor, campaign_id: int) -> Campaign:
    """A draft with the same letter and audience. Groups, segments and accounts that are gone by now are left out."""
    actor.require("campaigns:write")
    campaign = get(actor, campaign_id)
    copy = Campaign(workspace_id=actor.workspace_id, **{name: getattr(campaign, name) for name in WRITABLE})
    copy.name = _copy_name(actor, campaign.name)
    for name in ("group_ids", "exclude_group_ids", "segment_ids", "exclude_segment_ids"):
        setattr(copy, name, checks.still_there(actor, name, getattr(campaign, name)))
    if not checks.may_still_send(actor, campaign.mailbox_id):
        copy.mailbox_id = None
    db.session.add(copy)
    db.session.flush()
    estimate(copy)
    audit.record(actor, "campaign.create", target(copy), after={**snapshot(copy), "copy_of": campaign.id})
    live.notify(actor.workspace_id, LIVE_EVENT)
    return copy


def _copy_name(actor: Actor, name: str) -> str:
    """ "March news (copy)", "March news (copy 2)" …: the first that is free."""
    base = name.removesuffix(COPY)[: MOST_NAME - 12]
    alike = select(Campaign.name).where(Campaign.workspace_id == actor.workspace_id, Campaign.name.startswith(base, autoescape=True))
    taken = set(db.session.scalars(alike))
    tries = [f"{base}{COPY}", *(f"{base} (copy {number})" for number in range(2, 100))]
    return next((one for one in tries if one not in taken), f"{base}{COPY}")


def delete_campaign(actor: Actor, campaign_id: int) -> Campaign:
    """To the trash. A scheduled one is a draft again, so that it is not sent by coming back; a paused one is cancelled.

    raises InvalidState while it is sending
    """
    actor.require("campaigns:write")
    campaign = get(actor, campaign_id, for_update=True)
    if campaign.state == "sending":
        raise InvalidState(f"{campaign.name} is being sent. Pause or cancel it first, then delete it.", more={"status": "sending"})
    if campaign.state == "paused":
        campaign = life.cancel(actor, campaign.id)
    elif campaign.state == "scheduled":
        campaign = life.unschedule(actor, campaign.id)
    campaign.deleted_at = utcnow()
    db.session.flush()
    audit.record(actor, "campaign.delete", target(campaign), before=snapshot(campaign))
    live.notify(actor.workspace_id, LIVE_EVENT)
    return campaign


def _restore(actor: Actor, campaign: Campaign) -> None:
    actor.require("campaigns:write")
    if campaign.state == "sending":
        raise Conflict(f"{campaign.name} is being sent.")


def _purge(campaign: Campaign) -> None:
    """What people did with it and its counters go along; its deliveries stay in the sending log as long as others do."""
    for table in (Engagement, LinkClick):
        db.session.execute(delete(table).where(table.campaign_id == campaign.id))
    db.session.execute(delete(counters.Counter).where(counters.Counter.name.startswith(f"campaign:{campaign.id}:", autoescape=True)))
    db.session.delete(campaign)


trash.register("campaign", Campaign, Campaign.name, _restore, _purge, "campaigns:read")


def of_others(actor: Actor, campaign_id: int, changed: int) -> None:
    """raises Conflict when somebody saved the campaign since the form was painted (`changed`: its `stamp` then)"""
    if changed != stamp(get(actor, campaign_id)):
        raise Conflict("Somebody else saved this campaign meanwhile. Your text is below; load the page again to see theirs.")


def stamp(campaign: Campaign) -> int:
    """When it was last changed, in microseconds, for forms that must not overwrite what somebody else saved."""
    if campaign.updated_at is None:
        raise invalid("stamp", "The campaign was never saved.")
    return int(campaign.updated_at.timestamp() * 1_000_000)
