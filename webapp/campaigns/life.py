"""The steps in the life of a campaign, each possible in the states of this table alone (409 elsewhere).

    step         from                      to          what else
    schedule     draft, scheduled          scheduled   goes out at that time (`timetable`)
    unschedule   scheduled                 draft
    send         draft, scheduled          sending     audience frozen, event campaign.sent (`starting`)
    pause        sending                   paused      nothing more is taken; what is not on the wire goes back
    resume       paused                    sending     goes on where it stood; no second campaign.sent
    cancel       scheduled, sending,       cancelled   what has not left is given up
                 paused
    (completed)  sending                   sent        by itself, event campaign.completed (`finishing`)

Each locks the campaign's row, as every claim of its recipients does, so a step waits for a claim and no claim passes a step.
"""

from datetime import datetime
from typing import Any

from webapp.audit import service as audit
from webapp.campaigns import starting, tallies
from webapp.campaigns.models import Campaign
from webapp.campaigns.rows import get, target
from webapp.core import live, queue
from webapp.core.actor import Actor
from webapp.core.db import database_now, db
from webapp.core.errors import InvalidState

DRAIN = "campaigns.drain"
LIVE_EVENT = "campaigns-changed"
#: step -> states in which it is possible
POSSIBLE = {
    "schedule": ("draft", "scheduled"), "unschedule": ("scheduled",), "send": ("draft", "scheduled"), "pause": ("sending",),
    "resume": ("paused",), "cancel": ("scheduled", "sending", "paused"),
}  # fmt: skip
#: ledger states of copies that have not left and may still leave
OPEN = ("queued", "leased", "deferred", "held")


def possible(campaign: Campaign) -> list[str]:
    """The steps that its state allows."""
    return [step for step, states in POSSIBLE.items() if campaign.state in states]


def schedule(actor: Actor, campaign_id: int, at: datetime | None = None, zone: str | None = None) -> Campaign:
    """Have it sent at that time, or at the one that it has. The caller has checked the letter. raises InvalidState"""
    campaign = _taken(actor, campaign_id, "schedule")
    before = _story(campaign)
    campaign.schedule_at, campaign.schedule_zone = at or campaign.schedule_at, zone or campaign.schedule_zone
    starting.require_time(campaign.schedule_at)
    campaign.state, campaign.giver = "scheduled", giver(actor)
    return _changed(actor, campaign, "schedule", before)


def unschedule(actor: Actor, campaign_id: int) -> Campaign:
    """Back to a draft. raises InvalidState"""
    campaign = _taken(actor, campaign_id, "unschedule")
    before = _story(campaign)
    campaign.state, campaign.schedule_at, campaign.schedule_zone = "draft", None, None
    return _changed(actor, campaign, "unschedule", before)


def send(actor: Actor, campaign_id: int) -> Campaign:
    """Begin now. raises Invalid that names what is missing, or that nobody can get it; InvalidState"""
    campaign = _taken(actor, campaign_id, "send")
    before = _story(campaign)
    campaign.giver = giver(actor)
    starting.start(actor, campaign)
    queue.ring(DRAIN)
    return _changed(actor, campaign, "send", before)


def pause(actor: Actor, campaign_id: int, why: str | None = None) -> Campaign:
    """Stop for now. Copies on the wire are brought to their end, within a second none begins any more.

    why  the reason in words when the product itself pauses it
    """
    campaign = _taken(actor, campaign_id, "pause")
    before = _story(campaign)
    campaign.state, campaign.paused_at, campaign.paused_why = "paused", database_now(), why
    return _changed(actor, campaign, "pause", before, {"left": left(campaign), "why": why})


def resume(actor: Actor, campaign_id: int) -> Campaign:
    """Go on where it stood. Its bounce rate is watched anew from here. raises Invalid, InvalidState"""
    campaign = _taken(actor, campaign_id, "resume")
    before = _story(campaign)
    starting.require_sender(actor, campaign)
    starting.number_links(campaign)
    campaign.state, campaign.paused_at, campaign.paused_why = "sending", None, None
    campaign.has_standing = True
    starting.watch_from_now(campaign)
    queue.ring(DRAIN)
    return _changed(actor, campaign, "resume", before)


def cancel(actor: Actor, campaign_id: int) -> Campaign:
    """Give up what has not left; `left` says how many that were, before and afterwards. raises InvalidState"""
    campaign = _taken(actor, campaign_id, "cancel")
    before, number = _story(campaign), left(campaign)
    campaign.state, campaign.cancelled_at, campaign.next_attempt_at = "cancelled", database_now(), None
    campaign.has_standing = campaign.started_at is not None
    queue.ring(DRAIN)
    return _changed(actor, campaign, "cancel", before, {"left": number})


def left(campaign: Campaign) -> int:
    """How many have not got it and were not refused: rows that are open or were given up, and those who were not reached yet."""
    if campaign.started_at is None:
        return campaign.recipients_count
    states = tallies.states(campaign)
    waiting = sum(states[state] for state in (*OPEN, "cancelled"))
    return waiting if campaign.is_expanded else waiting + max(0, campaign.recipients_count - sum(states.values()))


def giver(actor: Actor) -> dict[str, Any]:
    """Who ordered it, as the audit log names them."""
    return {"type": actor.type, "id": actor.id, "name": actor.name, "user_id": actor.user_id, "request_id": actor.request_id}


def _taken(actor: Actor, campaign_id: int, step: str) -> Campaign:
    """The campaign, locked. raises InvalidState where its state does not allow the step"""
    actor.require("campaigns:send")
    campaign = get(actor, campaign_id, for_update=True)
    states = POSSIBLE[step]
    if campaign.state not in states:
        names = " or ".join(states) if len(states) < 3 else f"{', '.join(states[:-1])} or {states[-1]}"
        hint = f"That is possible while it is {names}."
        raise InvalidState(f"{campaign.name} is {campaign.state}, so you cannot {step} it.", hint=hint, more={"status": campaign.state})
    return campaign


def _story(campaign: Campaign) -> dict[str, Any]:
    return {"status": campaign.state, "schedule_at": campaign.schedule_at}


def _changed(actor: Actor, campaign: Campaign, step: str, before: dict[str, Any], more: dict[str, Any] | None = None) -> Campaign:
    db.session.flush()
    said = {name: value for name, value in (more or {}).items() if value is not None}
    audit.record(actor, f"campaign.{step}", target(campaign), before=before, after={**_story(campaign), **said})
    live.notify(campaign.workspace_id, LIVE_EVENT)
    return campaign
