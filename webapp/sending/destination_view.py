"""Where mail waits: the domains with most of it, how old the oldest is, and what their servers said last."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from webapp.core.actor import Actor
from webapp.core.bulk import among
from webapp.core.db import db
from webapp.core.paging import Page, PageRequest, sliced
from webapp.sending import listing
from webapp.sending.holds import holds_of
from webapp.sending.models import Delivery
from webapp.sending.why import reply

#: states in which a recipient still waits for its mail
WAITING = ("queued", "leased", "deferred", "uncertain", "held")
#: of a queue that is longer than this the oldest are looked at, so that the page stays quick
MOST_ROWS = 50_000
MOST_DOMAINS = 200


@dataclass
class Destination:
    """One domain; `waiting` counts all, the others are parts of it."""

    domain: str
    waiting: int
    deferred: int
    uncertain: int
    held: int
    oldest_at: datetime
    last_reply: str | None = None
    hold_id: int | None = None


def list_destinations(actor: Actor, asked: PageRequest) -> Page[Destination]:
    """The domains for which most mail waits, most first; at most 200."""
    return sliced(top(actor, MOST_DOMAINS), asked)


def top(actor: Actor, limit: int) -> list[Destination]:
    """The `limit` domains for which most mail of the workspace waits."""
    actor.require("deliveries:read")
    columns = (Delivery.id, Delivery.domain, Delivery.state, Delivery.created_at)
    some = listing.visible(actor).with_only_columns(*columns).where(Delivery.state.in_(WAITING)).order_by(None).limit(MOST_ROWS).subquery()
    of = [func.count().filter(some.c.state == state) for state in ("deferred", "uncertain", "held")]
    newest = func.max(some.c.id).filter(some.c.state == "deferred")
    number = func.count().label("number")
    query = select(some.c.domain, number, *of, func.min(some.c.created_at), newest).group_by(some.c.domain)
    rows: list[Any] = list(db.session.execute(query.order_by(number.desc(), some.c.domain).limit(limit)))
    said = _replies([row[6] for row in rows if row[6] is not None])
    holds = {hold.domain: hold.id for hold in holds_of({actor.workspace_id}).values() if hold.domain is not None}
    return [
        Destination(domain, total, deferred, uncertain, held, oldest, said.get(newest_id), holds.get(domain))
        for domain, total, deferred, uncertain, held, oldest, newest_id in rows
    ]


def _replies(ids: list[int]) -> dict[Any, str]:
    """Of these rows the last words of the other side, or what went wrong."""
    if not ids:
        return {}
    query = select(Delivery.id, Delivery.last_code, Delivery.last_reply, Delivery.last_error).where(among(Delivery.id, ids))
    said = {}
    for row in db.session.execute(query):
        said[row.id] = reply(row.last_code, row.last_reply) if row.last_code else row.last_error or ""
    return said
