"""The few numbers that matter on the home page, each read by an index or from counters, each a link to what is behind it."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select

from webapp.automation.models import Route
from webapp.automation.models_runs import RouteDay
from webapp.contacts.models import Contact
from webapp.core import counters, rollups
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.lookup import mine
from webapp.core.wording import span
from webapp.domains.models import Domain
from webapp.domains.service import PROBLEMS
from webapp.sending import service as sending
from webapp.sending.models import Delivery
from webapp.tokens.models import ApiToken

#: a token that ends within this time wants to be replaced
ROTATE = timedelta(days=14)
WAITING = ("queued", "leased", "deferred", "held", "uncertain")
#: days of the bounce rate, its limit in percent, and how many mails it takes to speak of a rate
RATE_DAYS, BOUNCE_LIMIT, FEW = 7, 2.0, 20


def look(actor: Actor, now: datetime) -> list[dict[str, Any]]:
    """Items of the macro `figures`, with the endpoint of their list in `goes` and its query in `asks`."""
    rest = [failing_routes(actor, now), domains_with_problems(actor), tokens_to_rotate(actor, now), bounce_rate(actor)]
    return [*waiting(actor, now), *rest, *people(actor)]


def people(actor: Actor) -> list[dict[str, Any]]:
    """How many contacts there are, from the counter; nothing while there are none."""
    number = counters.read(actor.workspace_id, Contact.__tablename__) if actor.may("contacts:read") else 0
    note = "whom campaigns can go to, if they agreed"
    return [{"name": "Contacts", "value": number, "note": note, "goes": "contacts.list_page"}] if number else []


def waiting(actor: Actor, now: datetime) -> list[dict[str, Any]]:
    """How many deliveries have not ended, from the counters, and how long the oldest of them has waited."""
    counts = sending.counts(actor)
    number = sum(counts.get(state, 0) for state in WAITING)
    told = [f"{counts[state]:,} {state}" for state in ("deferred", "held", "uncertain") if counts.get(state)]
    note = ", ".join(told) or ("Deliveries that have not ended" if number else "Nothing waits")
    figures: list[dict[str, Any]] = [{"name": "Waiting to leave", "value": number, "note": note, "goes": "sending.queue"}]
    if number and (oldest := _oldest_waiting(actor)) is not None:
        figures.append(
            {
                "name": "Oldest waiting", "value": span((now - oldest.created_at).total_seconds()), "goes": "sending.queue",
                "note": f"{oldest.state}, to {oldest.domain}", "tone": "warn" if now - oldest.created_at > timedelta(hours=4) else "",
            }
        )  # fmt: skip
    return figures


def _oldest_waiting(actor: Actor) -> Any:
    """The smallest id of each state by the index, instead of reading a backlog of any length."""
    firsts = [
        select(func.min(Delivery.id)).where(Delivery.workspace_id == actor.workspace_id, Delivery.state == state).scalar_subquery()
        for state in WAITING
    ]
    known = [number for number in db.session.execute(select(*firsts)).one() if number is not None]
    columns = select(Delivery.created_at, Delivery.state, Delivery.domain)
    return db.session.execute(columns.where(Delivery.id == min(known))).first() if known else None


def failing_routes(actor: Actor, now: datetime) -> dict[str, Any]:
    """Routes with a failed run today or yesterday (UTC), from the numbers kept for each day."""
    since = (now - timedelta(days=1)).date()
    failed = (
        select(Route.name, func.sum(RouteDay.number).label("number"))
        .join(RouteDay, RouteDay.route_id == Route.id)
        .where(Route.workspace_id == actor.workspace_id, Route.deleted_at.is_(None), RouteDay.day >= since, RouteDay.status == "failed")
        .group_by(Route.id, Route.name)
        .order_by(func.sum(RouteDay.number).desc())
        .limit(100)
    )
    found = list(db.session.execute(failed))
    note = f"{found[0].name}: {found[0].number:,} failed" if found else "Today and yesterday"
    return {
        "name": "Failing routes", "value": len(found), "note": note, "goes": "runs.list_page", "asks": {"status": "failed"},
        "tone": "bad" if found else "",
    }  # fmt: skip


def domains_with_problems(actor: Actor) -> dict[str, Any]:
    """Domains that are not verified, are suspended, or whose records are not what they should be."""
    wrong = mine(actor, Domain).where(or_(Domain.status != "active", Domain.dns_status.in_(PROBLEMS)))
    found = list(db.session.execute(wrong.with_only_columns(Domain.name, Domain.status).order_by(Domain.id).limit(100)))
    note = "All verified"
    if found:
        reason = "is suspended" if found[0].status == "suspended" else "DNS differs" if found[0].status == "active" else "is not verified"
        note = f"{found[0].name} {reason}" + (f", {len(found) - 1} more" if len(found) > 1 else "")
    return {
        "name": "Domains with problems", "value": len(found), "note": note, "goes": "domains.list_page", "tone": "warn" if found else "",
    }  # fmt: skip


def tokens_to_rotate(actor: Actor, now: datetime) -> dict[str, Any]:
    """Tokens that end soon; those of kind workspace live for hours by design."""
    ending = mine(actor, ApiToken).where(
        ApiToken.revoked_at.is_(None), ApiToken.kind != "workspace", ApiToken.expires_at > now, ApiToken.expires_at < now + ROTATE
    )  # fmt: skip
    found = list(db.session.execute(ending.with_only_columns(ApiToken.name, ApiToken.expires_at).order_by(ApiToken.expires_at).limit(100)))
    note = f"{found[0].name}, in {span((found[0].expires_at - now).total_seconds())}" if found else "None ends within 14 days"
    return {"name": "Tokens to rotate", "value": len(found), "note": note, "goes": "tokens.list_page", "tone": "warn" if found else ""}


def bounce_rate(actor: Actor) -> dict[str, Any]:
    """Bounced deliveries among those that ended within seven days, against the limit at which other servers begin to mind."""
    days = rollups.read(actor.workspace_id, "day", RATE_DAYS, ["sent", "bounced"])
    sent, bounced = (sum(day.numbers[what] for day in days) for what in ("sent", "bounced"))
    figure: dict[str, Any] = {"name": "Bounce rate, 7 days", "goes": "sending.queue", "asks": {"state": "bounced"}}
    if sent + bounced < FEW:
        return {**figure, "value": "–", "note": f"{bounced:,} of {sent + bounced:,}; a rate needs {FEW}"}
    rate = round(100 * bounced / (sent + bounced), 2)
    tone = "bad" if rate >= BOUNCE_LIMIT else "warn" if rate >= BOUNCE_LIMIT / 2 else ""
    note = f"{bounced:,} of {sent + bounced:,}, limit {BOUNCE_LIMIT:g} %"
    return {**figure, "value": rate, "unit": "%", "max": BOUNCE_LIMIT, "note": note, "tone": tone}
