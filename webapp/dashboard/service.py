"""What the home page shows: the few numbers that matter, the first steps, what happened last."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from webapp.audit import service as audit
from webapp.automation.models_runs import Run
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.lookup import mine
from webapp.core.wording import span
from webapp.dashboard import steps
from webapp.dashboard.steps import Step
from webapp.domains.models import Domain
from webapp.sending import service as sending
from webapp.sending.models import Delivery
from webapp.tokens.models import ApiToken

#: a token that ends within this time wants to be replaced
ROTATE = timedelta(days=14)
DAY = timedelta(hours=24)
#: how far back the log of runs is read for the home page
NEWEST_RUNS = 2000
WAITING = ("queued", "leased", "deferred", "held", "uncertain")


@dataclass
class Home:
    """`figures` are items of the macro `figures`, with the endpoint of their list in `goes`."""

    steps: list[Step] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    activity: list[Any] = field(default_factory=list)
    computed_at: datetime = field(default_factory=utcnow)

    @property
    def done(self) -> int:
        return sum(step.state == "done" for step in self.steps)


def look(actor: Actor) -> Home:
    """Everything on the home page: a fixed number of queries, each by an index and of bounded length."""
    now = utcnow()
    figures = [*waiting(actor, now), failing_routes(actor, now), domains_with_problems(actor), tokens_to_rotate(actor, now)]
    return Home(steps.look(actor), figures, audit.latest(actor, limit=8), now)


def waiting(actor: Actor, now: datetime) -> list[dict[str, Any]]:
    """How many deliveries have not ended, from the counters, and how long the oldest of them has waited."""
    counts = sending.counts(actor)
    number = sum(counts.get(state, 0) for state in WAITING)
    told = [f"{counts[state]:,} {state}" for state in ("deferred", "held", "uncertain") if counts.get(state)]
    figures = [
        {"name": "Waiting to leave", "value": number, "note": ", ".join(told) or "Deliveries that have not ended", "goes": "sending.queue"}
    ]
    if number:
        oldest = _oldest_waiting(actor)
        if oldest is not None:
            figures.append({"name": "Oldest waiting", "value": span((now - oldest).total_seconds()), "note": "", "goes": "sending.queue"})
    return figures


def _oldest_waiting(actor: Actor) -> datetime | None:
    """The smallest id of each state by the index, instead of reading a backlog of any length."""
    firsts = [
        select(func.min(Delivery.id)).where(Delivery.workspace_id == actor.workspace_id, Delivery.state == state).scalar_subquery()
        for state in WAITING
    ]
    known = [number for number in db.session.execute(select(*firsts)).one() if number is not None]
    return db.session.scalar(select(Delivery.created_at).where(Delivery.id == min(known))) if known else None


def failing_routes(actor: Actor, now: datetime) -> dict[str, Any]:
    """Routes with a failed run among the newest runs of the last 24 hours."""
    newest = (
        select(Run.route_id, Run.route_name, Run.status, Run.created_at)
        .where(Run.workspace_id == actor.workspace_id)
        .order_by(Run.id.desc())
        .limit(NEWEST_RUNS)
        .subquery()
    )
    failed = select(newest.c.route_name).where(newest.c.status == "failed", newest.c.created_at > now - DAY).group_by(
        newest.c.route_id, newest.c.route_name
    )  # fmt: skip
    names = list(db.session.scalars(failed.limit(100)))
    note = names[0] if len(names) == 1 else "In the last 24 hours"
    return {"name": "Failing routes", "value": len(names), "note": note, "goes": "runs.list_page", "tone": "bad" if names else ""}


def domains_with_problems(actor: Actor) -> dict[str, Any]:
    """Domains that are not verified yet, or suspended."""
    names = list(db.session.scalars(mine(actor, Domain).with_only_columns(Domain.name).where(Domain.status != "active").limit(100)))
    note = f"{names[0]} is not verified" if len(names) == 1 else "Not verified" if names else "All verified"
    return {
        "name": "Domains with problems",
        "value": len(names),
        "note": note,
        "goes": "domains.list_page",
        "tone": "warn" if names else "",
    }


def tokens_to_rotate(actor: Actor, now: datetime) -> dict[str, Any]:
    """Tokens that end soon; those of kind workspace live for hours by design."""
    ending = mine(actor, ApiToken).where(
        ApiToken.revoked_at.is_(None), ApiToken.kind != "workspace", ApiToken.expires_at > now, ApiToken.expires_at < now + ROTATE
    )
    number = db.session.scalar(select(func.count()).select_from(ending.limit(1000).subquery())) or 0
    note = "End within 14 days"
    return {"name": "Tokens to rotate", "value": number, "note": note, "goes": "tokens.list_page", "tone": "warn" if number else ""}
