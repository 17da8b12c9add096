"""How many a campaign would reach before it is sent, and what a person may choose from."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import case, exists, func, literal, select

from webapp.campaigns import audience, checks, measuring
from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, ContactGroup
from webapp.core import counters
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.segments.models import Segment
from webapp.suppressions.models import Suppression

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
    return of_campaign(SimpleNamespace(workspace_id=actor.workspace_id, **checks.clean(actor, named)))


def of_campaign(campaign: audience.Audience) -> Reached:
    """The same for a campaign as it is saved."""
    sums, is_exact = measuring.measured(campaign, lambda window: _gets(campaign, window))
    return Reached(sums.get("gets", 0), is_exact, utcnow())


def _gets(campaign: audience.Audience, window: audience.Window) -> Any:
    ids = audience.eligible(campaign, window.after, upto=window.upto).with_only_columns(Contact.id).order_by(None).subquery()
    return select(literal("gets").label("reason"), func.count().label("number")).select_from(ids)


@dataclass(frozen=True)
class Breakdown:
    """Whom the groups and segments name: who gets it, and who is left out for which reason. Each person is in one of the numbers."""

    gets: int
    excluded: int
    unsubscribed: int
    bounced: int
    complained: int
    suppressed: int
    is_exact: bool
    counted_at: datetime

    @property
    def left_out(self) -> int:
        return self.excluded + self.unsubscribed + self.bounced + self.complained + self.suppressed


#: in the order in which a reason counts
REASONS = ("excluded", "unsubscribed", "bounced", "complained", "suppressed")


def breakdown(campaign: Campaign) -> Breakdown:
    """Count it reason by reason; an estimate where that takes long, and then never nobody, for a sample may miss a few."""
    sums, is_exact = measuring.measured(campaign, lambda window: _reasons(campaign, window))
    sums = {name: sums.get(name, 0) for name in ("gets", *REASONS)}
    sums["gets"] = max(sums["gets"], int(not is_exact))
    return Breakdown(**sums, is_exact=is_exact, counted_at=utcnow())


def _reasons(campaign: Campaign, window: audience.Window) -> Any:
    """How many of a window get it, or do not for the first reason that holds."""
    named, is_excluded = audience.named(campaign, window)
    barred = exists().where(
        Suppression.workspace_id == campaign.workspace_id, Suppression.address == Contact.address, Suppression.scope.in_(("all", "bulk"))
    )
    reason = case(
        (is_excluded, "excluded"), (Contact.complained_at.is_not(None), "complained"), (Contact.bounced_at.is_not(None), "bounced"),
        (Contact.subscribed.is_(False), "unsubscribed"), (barred, "suppressed"), else_="gets",
    )  # fmt: skip
    rows = select(reason.label("reason")).where(*named).subquery()
    return select(rows.c.reason, func.count().label("number")).group_by(rows.c.reason)


def groups(actor: Actor, chosen: Iterable[int] = ()) -> list[Offered]:
    """Groups of the workspace by name, with how many are on them; those that are chosen are there whatever their number."""
    rows = _offered(actor, ContactGroup, chosen)
    numbers = counters.read_many(actor.workspace_id, [f"group:{row.id}" for row in rows])
    return [Offered(row.id, row.name, numbers[f"group:{row.id}"]) for row in rows]


def segments(actor: Actor, chosen: Iterable[int] = ()) -> list[Offered]:
    """Segments of the workspace by name; they are computed when they are used."""
    return [Offered(row.id, row.name) for row in _offered(actor, Segment, chosen)]


def _offered(actor: Actor, model: Any, chosen: Iterable[int]) -> list[Any]:
    mine = select(model.id, model.name).where(model.workspace_id == actor.workspace_id)
    rows = list(db.session.execute(mine.order_by(model.name).limit(MOST_OFFERED)))
    missing = set(chosen) - {row.id for row in rows}
    return [*(db.session.execute(mine.where(model.id.in_(missing)).order_by(model.name)) if missing else ()), *rows]


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
