"""Which routes will look at mail that was just read: a batch at a time, with three queries whatever its size.

    intake, in its transaction ── plan_many(copies) ──> a RoutePlan for each, ring ──> jobs: evaluation.work
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select

from webapp.automation import actions, runs
from webapp.automation.models import Action, Route, RouteAction
from webapp.automation.models_runs import RoutePlan
from webapp.automation.runs import AnyMail
from webapp.core import live, queue
from webapp.core.db import db, utcnow
from webapp.mailboxes.models import Mailbox

WAYS = {"received": ("incoming", "both"), "sent": ("outgoing", "both")}


@dataclass(frozen=True)
class Known:
    """An enabled route of a mailbox; absorbs: it may take mail out of its folder."""

    id: int
    name: str
    version: int
    absorbs: bool


def plan_many(copies: Sequence[AnyMail], boxes: dict[int, Mailbox]) -> dict[int, bool]:
    """Let the routes of their mailboxes look at these mails.

    boxes    the mailboxes by id, their domains in the session
    returns  the ids of those for which routes were planned, with whether filing has to wait: some route could absorb the mail
    """
    routes = enabled_routes({(copy.mailbox_id, copy.direction) for copy in copies if copy.mailbox_id is not None})
    found: dict[int, bool] = {}
    rows: list[dict[str, Any]] = []
    for copy in copies:
        known = routes.get((copy.mailbox_id, copy.direction)) if copy.mailbox_id is not None else None
        if not known or copy.mailbox_id is None:
            continue
        if reason := runs.standstill(copy, boxes[copy.mailbox_id]):
            for route in known:
                runs.add_run(copy, copy.mailbox_id, route, 0, status=reason[0], error=reason[1], finished_at=utcnow())
            live.notify(copy.workspace_id, runs.LIVE_EVENT)
            continue
        held = copy.direction == "received" and any(route.absorbs for route in known)
        found[copy.id] = held
        rows.append({
            "workspace_id": copy.workspace_id, "message_id": copy.id, "mailbox_id": copy.mailbox_id, "round": 0, "held": held,
            "is_test": copy.is_test, "request_id": copy.request_id, "deaths": 0, "created_at": utcnow(),
        })  # fmt: skip
    if rows:
        db.session.execute(insert(RoutePlan.__table__), rows)  # type: ignore[arg-type]
        queue.ring(runs.DRAIN)
    return found


def enabled_routes(keys: Iterable[tuple[int | None, str]]) -> dict[tuple[int, str], list[Known]]:
    """The enabled routes of several mailboxes by (mailbox, direction of the mail), each in the order in which they run."""
    wanted = {(mailbox_id, direction) for mailbox_id, direction in keys if mailbox_id is not None}
    query = select(Route.id, Route.name, Route.version, Route.mailbox_id, Route.direction).where(
        Route.mailbox_id.in_({mailbox_id for mailbox_id, _ in wanted}), Route.deleted_at.is_(None), Route.enabled.is_(True)
    )
    rows = db.session.execute(query.order_by(Route.position, Route.id)).all() if wanted else []
    absorbing = _absorbing([row.id for row in rows])
    found: dict[tuple[int, str], list[Known]] = {}
    for row in rows:
        for direction, ways in WAYS.items():
            if row.direction in ways and (row.mailbox_id, direction) in wanted:
                known = Known(row.id, row.name, row.version, row.id in absorbing)
                found.setdefault((row.mailbox_id, direction), []).append(known)
    return found


def _absorbing(ids: list[int]) -> set[int]:
    """Those of the routes that have no actions, or one that takes the mail out of its folder."""
    if not ids:
        return set()
    query = select(RouteAction.route_id, Action.type).join(Action, Action.id == RouteAction.action_id).where(RouteAction.route_id.in_(ids))
    kinds = db.session.execute(query).all()
    taking = {kind.name for kind in actions.types() if kind.absorbs}
    return (set(ids) - {row.route_id for row in kinds}) | {row.route_id for row in kinds if row.type in taking}
