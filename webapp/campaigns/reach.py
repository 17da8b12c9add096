"""How many a campaign would reach before it is sent, and what a person may choose from."""

from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import select

from webapp.campaigns import audience, checks
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, ContactGroup
from webapp.core import counters
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.segments.models import Segment

#: groups and segments that a form offers
MOST_OFFERED = 200
#: contacts that the preview offers
MOST_EXAMPLES = 20


@dataclass(frozen=True)
class Reached:
    recipients_count: int
    is_exact: bool
    counted_at: datetime


@dataclass(frozen=True)
class Offered:
    """A group or segment as a form shows it; `number` is None where nobody has counted."""

    id: int
    name: str
    number: int | None = None


def count(actor: Actor, given: dict[str, Any]) -> Reached:
    """How many people these groups and segments reach now. raises Invalid about ids that are not the workspace's"""
    actor.require("campaigns:read")
    named = {name: given.get(name) or [] for name in ("group_ids", "segment_ids", "exclude_group_ids", "exclude_segment_ids")}
    number, is_exact = audience.count(SimpleNamespace(workspace_id=actor.workspace_id, **checks.clean(actor, named)))
    return Reached(number, is_exact, utcnow())


def of_campaign(campaign: Campaign) -> Reached:
    """The same for a campaign as it is saved."""
    number, is_exact = audience.count(campaign)
    return Reached(number, is_exact, utcnow())


def groups(actor: Actor) -> list[Offered]:
    """Groups of the workspace by name, with how many are on them."""
    query = select(ContactGroup.id, ContactGroup.name).where(ContactGroup.workspace_id == actor.workspace_id)
    rows = list(db.session.execute(query.order_by(ContactGroup.name).limit(MOST_OFFERED)))
    numbers = counters.read_many(actor.workspace_id, [f"group:{row.id}" for row in rows])
    return [Offered(row.id, row.name, numbers[f"group:{row.id}"]) for row in rows]


def segments(actor: Actor) -> list[Offered]:
    """Segments of the workspace by name; they are computed when they are used."""
    query = select(Segment.id, Segment.name).where(Segment.workspace_id == actor.workspace_id)
    return [Offered(row.id, row.name) for row in db.session.execute(query.order_by(Segment.name).limit(MOST_OFFERED))]


def names(campaign: Campaign) -> dict[str, list[str]]:
    """Column -> names of the groups and segments that it names; those that are gone say so."""
    found: dict[str, list[str]] = {}
    for column, model in (
        ("group_ids", ContactGroup), ("segment_ids", Segment), ("exclude_group_ids", ContactGroup), ("exclude_segment_ids", Segment),
    ):  # fmt: skip
        ids = list(getattr(campaign, column))
        table: Any = model
        rows = db.session.execute(select(table.id, table.name).where(table.workspace_id == campaign.workspace_id, table.id.in_(ids)))
        known = {row.id: row.name for row in rows} if ids else {}
        found[column] = [known.get(one, f"a deleted one ({one})") for one in ids]
    return found


def examples(actor: Actor, campaign: Campaign) -> list[Any]:
    """The first people whom it reaches, else the first contacts: (id, email, name), for the preview."""
    if not actor.may("contacts:read"):
        return []
    found = list(db.session.execute(audience.eligible(campaign, 0, MOST_EXAMPLES))) if campaign.group_ids or campaign.segment_ids else []
    if found:
        return found
    query = select(Contact.id, Contact.email, Contact.name).where(Contact.workspace_id == actor.workspace_id)
    return list(db.session.execute(query.order_by(Contact.id).limit(MOST_EXAMPLES)))
