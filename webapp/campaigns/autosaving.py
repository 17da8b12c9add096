"""A draft that is saved by itself while somebody writes it: what can be kept is kept, what cannot is named, and nobody is overwritten.

Only drafts: what is scheduled or paused changes when a person says so, because it would go out half written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from webapp.audit.models import AuditEntry
from webapp.campaigns import checks, service
from webapp.campaigns.models import Campaign
from webapp.campaigns.rows import get
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Conflict, Invalid, InvalidState

#: changes of these alone share an entry of the audit log for a while; changes of who gets it and how it is sent never do
WORDS = frozenset({"subject", "preheader", "body_html", "body_text"})
SHARED = timedelta(minutes=5)
#: name on the wire -> column
COLUMNS = {wire: column for column, wire in checks.WIRE.items()}


@dataclass(frozen=True)
class Kept:
    """The draft as it is kept now; `refused` says why a column kept the value that it had."""

    campaign: Campaign
    refused: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Saver:
    """Who changed a campaign last, and when; `is_me` for somebody's own other window."""

    name: str
    at: datetime
    is_me: bool


def save(actor: Actor, campaign_id: int, stamp: int, values: Mapping[str, Any]) -> Kept:
    """Keep what was typed so far.

    stamp   that of the version which the writer began with (`service.stamp`)
    values  any of `rows.WRITABLE`
    raises  Conflict when somebody else saved it since; InvalidState when it is no draft any more
    """
    campaign = get(actor, campaign_id, for_update=True)
    if stamp != service.stamp(campaign):
        raise Conflict(f"{campaign.name} was saved by somebody else meanwhile.")
    if campaign.state != "draft":
        raise InvalidState(f"{campaign.name} is {campaign.state}; only drafts are saved by themselves.")
    wanted, refused = dict(values), dict[str, list[str]]()
    while True:
        try:
            shared = set(_changed(campaign, wanted)) <= WORDS and _goes_on(actor, campaign)
            return Kept(service.update_campaign(actor, campaign_id, wanted, told=not shared), refused)
        except Invalid as error:
            fields = {COLUMNS.get(name, name).partition(".")[0]: texts for name, texts in error.fields.items()}
            if not set(fields) & set(wanted):
                raise
            refused.update(fields)
            wanted = {name: value for name, value in wanted.items() if name not in fields}


def _changed(campaign: Campaign, values: Mapping[str, Any]) -> list[str]:
    return [name for name, value in values.items() if (value or None) != (getattr(campaign, name) or None)]


def _goes_on(actor: Actor, campaign: Campaign) -> bool:
    """Whether the newest entry says already that this person is changing it."""
    last = _last(campaign)
    same = last is not None and (last.actor_type, last.actor_id) == (actor.type, actor.id) and last.token_id is None
    return last is not None and same and last.action == "campaign.update" and last.at > utcnow() - SHARED


def last_saver(actor: Actor, campaign: Campaign) -> Saver | None:
    """For who is told that their text was not saved."""
    last = _last(campaign)
    if last is None or campaign.updated_at is None:
        return None
    return Saver(last.actor, campaign.updated_at, (last.actor_type, last.actor_id) == (actor.type, actor.id))


def _last(campaign: Campaign) -> AuditEntry | None:
    about = AuditEntry.workspace_id == campaign.workspace_id, AuditEntry.target_type == "campaign", AuditEntry.target_id == campaign.id
    found: AuditEntry | None = db.session.scalar(select(AuditEntry).where(*about).order_by(AuditEntry.id.desc()).limit(1))
    return found
