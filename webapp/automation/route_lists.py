"""What the list of routes shows beside the rows: addresses, how many rules and actions, and the runs of seven days."""

from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import func, select

from webapp.automation import reach, routes
from webapp.automation.models import Action, Route
from webapp.automation.models_runs import RouteDay, Run
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow

DAYS = 7


@dataclass
class Shown:
    """One route of the list."""

    route: Route
    email: str
    rule_count: int
    action_labels: list[str]
    done: int = 0
    failed: int = 0
    waiting: int = 0


@dataclass
class Group:
    """The routes of one mailbox, in their order."""

    mailbox_id: int
    email: str
    rows: list[Shown] = field(default_factory=list)


def grouped(actor: Actor, rows: list[Route]) -> list[Group]:
    """Routes by mailbox; the number of queries does not depend on the number of routes."""
    ids = [route.id for route in rows]
    rule_ids, steps = routes.parts_of(ids)
    emails = reach.emails_of(actor, {route.mailbox_id for route in rows})
    names = _action_names({step["action_id"] for route_steps in steps.values() for step in route_steps})
    numbers, waiting = runs_of_week(ids), waiting_runs(ids)
    groups: dict[int, Group] = {}
    for route in rows:
        group = groups.setdefault(route.mailbox_id, Group(route.mailbox_id, emails.get(route.mailbox_id, "")))
        labels = [names[step["action_id"]] for step in steps[route.id] if step["action_id"] in names]
        day = numbers.get(route.id, {})
        group.rows.append(Shown(
            route, group.email, len(rule_ids[route.id]), labels, day.get("success", 0), day.get("failed", 0), waiting.get(route.id, 0)
        ))  # fmt: skip
    return sorted(groups.values(), key=lambda group: group.email)


def _action_names(ids: set[int]) -> dict[int, str]:
    if not ids:
        return {}
    query = select(Action.id, Action.name).where(Action.id.in_(sorted(ids)), Action.deleted_at.is_(None))
    return {row.id: row.name for row in db.session.execute(query)}


def runs_of_week(route_ids: list[int]) -> dict[int, dict[str, int]]:
    """How many runs of each route ended how within the last seven days, today included; kept numbers, nothing is counted."""
    if not route_ids:
        return {}
    first = (utcnow() - timedelta(days=DAYS - 1)).date()
    query = select(RouteDay.route_id, RouteDay.status, func.sum(RouteDay.number))
    query = query.where(RouteDay.route_id.in_(route_ids), RouteDay.day >= first)
    found: dict[int, dict[str, int]] = {}
    for route_id, status, number in db.session.execute(query.group_by(RouteDay.route_id, RouteDay.status)):
        found.setdefault(route_id, {})[status] = int(number)
    return found


def waiting_runs(route_ids: list[int]) -> dict[int, int]:
    """Runs that wait for a worker or for their next attempt; the index of what is due is small."""
    if not route_ids:
        return {}
    query = select(Run.route_id, func.count()).where(Run.next_attempt_at.is_not(None), Run.route_id.in_(route_ids)).group_by(Run.route_id)
    return {route_id: number for route_id, number in db.session.execute(query) if route_id is not None}
