"""What waits, how long, and what needs a person: from counters and from indexes that hold only what waits, never by a scan.

    intake      mail that is stored and not read yet
    routes      mail whose routes were not evaluated, and runs whose time has come
    out         deliveries whose time has come, by lane
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text

from webapp.automation.models_runs import RoutePlan, Run
from webapp.core.counters import Counter
from webapp.core.db import database_now, db
from webapp.messages.models import Message
from webapp.sending.ledger import counter
from webapp.sending.models import STATES, STREAMS, Delivery

#: nothing is counted further than this
MOST = 10_000
#: a holder whose lease ran out so long ago is gone; takeover is promised within 20 s
GONE_S = 20


@dataclass(frozen=True)
class Line:
    """One queue.

    waiting    rows whose time has come, at most MOST
    oldest_s   for how long the first of them has waited; 0.0 when none does
    """

    name: str
    says: str
    waiting: int
    oldest_s: float

    @property
    def count(self) -> str:
        return f"{MOST:,}+" if self.waiting >= MOST else f"{self.waiting:,}"


@dataclass(frozen=True)
class Queues:
    """All of it at one moment of the database's clock. `states` are the deliveries of all workspaces by state."""

    at: datetime
    lines: list[Line]
    states: dict[str, int]
    leases: int
    leases_gone: int
    parked: int

    @property
    def oldest(self) -> Line:
        return max(self.lines, key=lambda line: line.oldest_s)


def look() -> Queues:
    """About a dozen short looks into indexes."""
    now = database_now()
    lines = [_intake(now), _plans(now), _runs(now), *(_lane(stream, now) for stream in STREAMS)]
    held = Delivery.lease_until.is_not(None)
    gone = Delivery.lease_until < now - timedelta(seconds=GONE_S)
    return Queues(
        now, lines, states(), _count(select(Delivery.id).where(held)), _count(select(Delivery.id).where(held, gone)),
        _count(select(Message.id).where(text("messages.state = 'parked'"))),
    )  # fmt: skip


def states() -> dict[str, int]:
    """Deliveries of all workspaces by state, from the counters."""
    found = named_totals([counter(state) for state in STATES])
    return {state: found[counter(state)] for state in STATES}


def named_totals(names: list[str]) -> dict[str, int]:
    """Counters by name, over all workspaces."""
    rows = db.session.execute(select(Counter.name, func.sum(Counter.number)).where(Counter.name.in_(names)).group_by(Counter.name))
    return {**dict.fromkeys(names, 0), **{name: int(number or 0) for name, number in rows}}


def _intake(now: datetime) -> Line:
    waits = text("messages.state = 'received'")
    oldest = db.session.scalar(select(Message.created_at).where(waits).order_by(Message.id).limit(1))
    return Line("intake", "mail that is stored and not read yet", _count(select(Message.id).where(waits)), _age(oldest, now))


def _plans(now: datetime) -> Line:
    oldest = db.session.scalar(select(RoutePlan.created_at).order_by(RoutePlan.id).limit(1))
    return Line("routes", "mail whose routes were not evaluated yet", _count(select(RoutePlan.id)), _age(oldest, now))


def _runs(now: datetime) -> Line:
    due = Run.next_attempt_at.is_not(None), Run.next_attempt_at <= now
    oldest = db.session.scalar(select(Run.next_attempt_at).where(*due).order_by(Run.next_attempt_at).limit(1))
    return Line("actions", "route runs whose time has come", _count(select(Run.id).where(*due)), _age(oldest, now))


def _lane(stream: str, now: datetime) -> Line:
    due = Delivery.stream == stream, Delivery.next_attempt_at.is_not(None), Delivery.next_attempt_at <= now
    oldest = db.session.scalar(select(Delivery.next_attempt_at).where(*due).order_by(Delivery.next_attempt_at).limit(1))
    return Line(f"out_{stream}", f"{stream} deliveries whose time has come", _count(select(Delivery.id).where(*due)), _age(oldest, now))


def _count(ids: Any) -> int:
    return int(db.session.scalar(select(func.count()).select_from(ids.limit(MOST).subquery())) or 0)


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since is not None else 0.0
