"""Routes: create, list, change, order, delete. What they do to mail is in `evaluation` and `steps`."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.automation import reach, rules, saved_actions, usage
from webapp.automation.models import DIRECTIONS, MATCH_TYPES, ON_ERROR, Route, RouteAction, RouteRule
from webapp.core import live, trash
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Conflict, Invalid, NotFound, invalid
from webapp.core.lookup import mine
from webapp.core.paging import Page, PageRequest, paginate
from webapp.mailboxes.models import Mailbox

LIVE_EVENT = "routes-changed"
WRITABLE = ("name", "enabled", "direction", "match_type", "stop_on_match", "mailbox_id")
DEFAULTS: dict[str, Any] = {
    "enabled": True, "direction": "incoming", "match_type": "all", "stop_on_match": False, "rule_ids": [], "actions": [], "position": None,
}  # fmt: skip
SHOWN = (
    "id", "mailbox_id", "name", "enabled", "direction", "match_type", "position", "stop_on_match", "version", "last_run_at", "last_status",
    "created_at", "updated_at",
)  # fmt: skip
SORTABLE = {
    "position": Route.position, "id": Route.id, "name": Route.name, "mailbox_id": Route.mailbox_id, "created_at": Route.created_at,
    "updated_at": Route.updated_at, "last_run_at": Route.last_run_at,
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One action of a route as asked for; None takes the action's own setting."""

    action_id: int
    on_error: str | None = None
    pass_to_next: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"action_id": self.action_id, "on_error": self.on_error, "pass_to_next": self.pass_to_next}


def target(route: Route) -> Target:
    return Target("route", route.id, route.name)


def steps_of(route_id: int) -> list[RouteAction]:
    return list(db.session.scalars(select(RouteAction).where(RouteAction.route_id == route_id).order_by(RouteAction.position)))


def parts_of(route_ids: list[int]) -> tuple[dict[int, list[int]], dict[int, list[dict[str, Any]]]]:
    """Rule ids and steps of several routes, two queries whatever their number."""
    rule_ids: dict[int, list[int]] = {route_id: [] for route_id in route_ids}
    steps: dict[int, list[dict[str, Any]]] = {route_id: [] for route_id in route_ids}
    if route_ids:
        rule_rows = select(RouteRule.route_id, RouteRule.rule_id).where(RouteRule.route_id.in_(route_ids)).order_by(RouteRule.position)
        for row in db.session.execute(rule_rows):
            rule_ids[row.route_id].append(row.rule_id)
        for step in db.session.scalars(select(RouteAction).where(RouteAction.route_id.in_(route_ids)).order_by(RouteAction.position)):
            steps[step.route_id].append(Step(step.action_id, step.on_error, step.pass_to_next).as_dict())
    return rule_ids, steps


def snapshot(route: Route) -> dict[str, Any]:
    rule_ids, steps = parts_of([route.id])
    values = {name: getattr(route, name) for name in WRITABLE}
    return {**values, "position": route.position, "rule_ids": rule_ids[route.id], "actions": steps[route.id]}


def _visible(actor: Actor) -> Any:
    living = select(Mailbox.id).where(Mailbox.workspace_id == actor.workspace_id, Mailbox.deleted_at.is_(None))
    return mine(actor, Route).where(reach.within(actor, Route.mailbox_id), Route.mailbox_id.in_(living))


def get_route(actor: Actor, route_id: int, scope: str = "routes:read", *, for_update: bool = False) -> Route:
    """raises NotFound for a route that is foreign, deleted, or of a mailbox outside the token's limits"""
    actor.require(scope)
    query = _visible(actor).where(Route.id == route_id)
    route: Route | None = db.session.scalar(query.with_for_update() if for_update else query)
    if route is None:
        raise NotFound(f"There is no route with the id {route_id}.")
    return route


def list_routes(actor: Actor, asked: PageRequest, filters: dict[str, Any]) -> Page[Route]:
    """Routes by mailbox and position; filters: mailbox_id, enabled, direction, search (in the name)."""
    actor.require("routes:read")
    query = _visible(actor)
    for name in ("mailbox_id", "enabled", "direction"):
        if filters.get(name) is not None:
            query = query.where(getattr(Route, name) == filters[name])
    if wanted := filters.get("search"):
        query = query.where(Route.name.icontains(wanted, autoescape=True))


    return paginate(query, asked, sortable=SORTABLE, default="position", tie=Route.id)


def create_route(actor: Actor, *, mailbox_id: int, name: str, **values: Any) -> Route:
    """Connect rules to actions for one mailbox, at `position` or at the end.

    values  enabled, direction, match_type, rule_ids, actions ([{action_id, on_error?, pass_to_next?}]), position, stop_on_match
    raises  Invalid about a field (unknown mailbox, rule or action, a name that is taken)
    """
    actor.require("routes:write")
    wanted = {**DEFAULTS, **values, "mailbox_id": mailbox_id, "name": name}
    _check(actor, wanted, None)
    position = wanted["position"]
    if position is None:
        last = select(func.max(Route.position)).where(Route.mailbox_id == mailbox_id, Route.deleted_at.is_(None))
        position = (db.session.scalar(last) or 0) + 1
    route = Route(workspace_id=actor.workspace_id, position=position, **{key: wanted[key] for key in WRITABLE})
    route.name = name.strip()
    db.session.add(route)
    db.session.flush()
    _connect(actor, route, wanted["rule_ids"], wanted["actions"])
    audit.record(actor, "route.create", target(route), after=snapshot(route))
    live.notify(actor.workspace_id, LIVE_EVENT)
    return route


def _check(actor: Actor, values: dict[str, Any], route_id: int | None) -> None:
    name = (values["name"] or "").strip()
    if not 1 <= len(name) <= 200:
        raise invalid("name", "A route has a name of 1 to 200 characters; it is shown in the log.")
    for field, words in (("direction", DIRECTIONS), ("match_type", MATCH_TYPES)):
        if values[field] not in words:
            raise invalid(field, f"Choose one of {', '.join(words)}.")
    try:
        mailbox = reach.get_mailbox(actor, values["mailbox_id"])
    except NotFound as missing:
        raise invalid("mailbox_id", missing.message) from None
    same = select(Route.id).where(Route.mailbox_id == mailbox.id, Route.name == name, Route.deleted_at.is_(None))
    if db.session.scalar(same.where(Route.id != (route_id or 0))):
        raise invalid("name", f"{mailbox.email} has a route “{name}” already. Choose another name.")


def _connect(actor: Actor, route: Route, rule_ids: list[int], steps: list[Any]) -> None:
    """Put these rules and actions in place of what the route had."""
    own_rules = rules.own(actor, rule_ids)
    asked = [step if isinstance(step, Step) else Step(**step) for step in steps]
    saved_actions.own(actor, [step.action_id for step in asked])
    for number, step in enumerate(asked):
        if step.on_error is not None and step.on_error not in ON_ERROR:
            raise Invalid("Choose continue or stop.", fields={f"actions.{number}.on_error": ["Choose continue or stop."]})
    db.session.execute(delete(RouteRule).where(RouteRule.route_id == route.id))
    db.session.execute(delete(RouteAction).where(RouteAction.route_id == route.id))
    db.session.add_all(RouteRule(route_id=route.id, rule_id=rule.id, position=number) for number, rule in enumerate(own_rules))
    db.session.add_all(RouteAction(route_id=route.id, position=number, **step.as_dict()) for number, step in enumerate(asked))
    db.session.flush()


def update_route(actor: Actor, route_id: int, changes: dict[str, Any], *, replace: bool = False) -> Route:
    """Change the given fields, or with `replace` all of them; every saved change is a new version. raises Invalid, NotFound"""
    route = get_route(actor, route_id, "routes:write", for_update=True)
    before = snapshot(route)
    values = {**({**DEFAULTS, "position": route.position} if replace else before), **changes}
    if values["position"] is None:
        values["position"] = route.position
    _check(actor, values, route.id)
    _connect(actor, route, values["rule_ids"], values["actions"])
    for name in WRITABLE:
        setattr(route, name, values[name])
    route.name, route.position = values["name"].strip(), values["position"]
    db.session.flush()
    after = snapshot(route)
    if after != before:
        route.version += 1
        db.session.flush()
        audit.record(actor, "route.update", target(route), before=before, after=after)
        live.notify(actor.workspace_id, LIVE_EVENT)
    return route


def reorder(actor: Actor, mailbox_id: int, ids: list[int]) -> list[Route]:
    """Put the routes of a mailbox into this order: positions 1, 2, 3 …; routes left out keep their order behind them.

    raises NotFound (mailbox), Invalid for an id that is no route of this mailbox or stands twice
    """
    actor.require("routes:write")
    mailbox = reach.get_mailbox(actor, mailbox_id)
    query = mine(actor, Route).where(Route.mailbox_id == mailbox.id).order_by(Route.position, Route.id)
    known = {route.id: route for route in db.session.scalars(query.with_for_update())}
    if len(set(ids)) != len(ids):
        raise invalid("ids", "Name each route once.")
    for route_id in ids:
        if route_id not in known:
            raise invalid("ids", f"{mailbox.email} has no route with the id {route_id}.")
    before = list(known)
    ordered = [known[route_id] for route_id in ids] + [route for route in known.values() if route.id not in set(ids)]
    for number, route in enumerate(ordered, 1):
        route.position = number
    db.session.flush()
    after = [route.id for route in ordered]
    if after != before:
        about = Target("mailbox", mailbox.id, mailbox.email)
        audit.record(actor, "route.reorder", about, before={"routes": before}, after={"routes": after})
        live.notify(actor.workspace_id, LIVE_EVENT)
    return ordered


def delete_route(actor: Actor, route_id: int) -> Route:
    """Put a route into the trash; its log stays, runs that are under way go on."""
    route = get_route(actor, route_id, "routes:write", for_update=True)
    before = snapshot(route)
    route.deleted_at = utcnow()
    db.session.flush()
    audit.record(actor, "route.delete", target(route), before=before)
    live.notify(actor.workspace_id, LIVE_EVENT)
    return route


def _restore(actor: Actor, route: Route) -> None:
    actor.require("routes:write")
    mailbox = db.session.get(Mailbox, route.mailbox_id)
    if mailbox is None or mailbox.deleted_at is not None:
        raise Conflict("The mailbox of this route is in the trash itself.", hint="Restore the mailbox first.")
    taken = select(Route.id).where(Route.mailbox_id == route.mailbox_id, Route.name == route.name, Route.deleted_at.is_(None))
    if db.session.scalar(taken):
        raise Conflict(f"{mailbox.email} has another route “{route.name}” by now.", hint="Rename that one first.")
    gone = len(usage.rule_ids(route.id)) != len(rules.many(actor, usage.rule_ids(route.id)))
    gone = gone or len(set(usage.action_ids(route.id))) != len(saved_actions.many(actor, usage.action_ids(route.id)))
    if gone:
        raise Conflict("A rule or an action of this route is in the trash itself.", hint="Restore it first.")


def _purge(route: Route) -> None:
    db.session.delete(route)


trash.register("route", Route, Route.name, _restore, _purge, "routes:read")


def whole(rows: list[Route]) -> list[dict[str, Any]]:
    """Routes with their rule ids and steps, as the API shows them."""
    rule_ids, steps = parts_of([route.id for route in rows])
    return [
        {**{name: getattr(route, name) for name in SHOWN}, "rule_ids": rule_ids[route.id], "actions": steps[route.id]} for route in rows
    ]
