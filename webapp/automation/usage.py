"""Which routes use a rule or an action, and what follows for them when it changes or goes."""

from typing import Any

from sqlalchemy import delete, func, select, update

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.automation import reach
from webapp.automation.models import Route, RouteAction, RouteRule
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Forbidden, InUse


def routes_of_rule(rule_id: int) -> list[Route]:
    """Living routes with this rule, by id."""
    return _routes(select(RouteRule.route_id).where(RouteRule.rule_id == rule_id))


def routes_of_action(action_id: int) -> list[Route]:
    return _routes(select(RouteAction.route_id).where(RouteAction.action_id == action_id))


def _routes(ids: Any) -> list[Route]:
    return list(db.session.scalars(select(Route).where(Route.id.in_(ids), Route.deleted_at.is_(None)).order_by(Route.id)))


def refuse_unless(force: bool, noun: str, name: str, routes: list[Route]) -> None:
    """raises InUse with the routes, unless forced"""
    if force:
        return
    named = ", ".join(f"“{route.name}”" for route in routes[:5]) + ("" if len(routes) <= 5 else f" and {len(routes) - 5} more")
    raise InUse(
        f"The {noun} “{name}” is used by {len(routes)} route{'' if len(routes) == 1 else 's'}: {named}.",
        hint="Take it out of them first, or repeat with ?force=true, which does that.",
        fields={"routes": [f"{route.id}: {route.name}" for route in routes]},
        more={"routes": [{"id": route.id, "name": route.name, "mailbox_id": route.mailbox_id} for route in routes]},
    )


def refuse_beyond(actor: Actor, noun: str, routes: list[Route]) -> None:
    """A token that is limited to some mailboxes changes nothing that routes of others use. raises Forbidden"""
    if any(not reach.is_seen(actor, route.mailbox_id) for route in routes):
        text = f"This token is limited to certain domains or mailboxes, and routes of others use this {noun} too."
        raise Forbidden(text, code="domain_scope_forbidden", hint="Use a token without such limits.")


def take_rule_out(actor: Actor, rule_id: int, routes: list[Route]) -> None:
    """Remove a rule from its routes. A route that loses its last rule is switched off, since without rules it fires on every mail."""
    for route in routes:
        before = rule_ids(route.id)
        db.session.execute(delete(RouteRule).where(RouteRule.route_id == route.id, RouteRule.rule_id == rule_id))
        after = rule_ids(route.id)
        was = route.enabled
        route.enabled = route.enabled and bool(after)
        _changed(actor, route, {"rule_ids": before, "enabled": was}, {"rule_ids": after, "enabled": route.enabled})


def take_action_out(actor: Actor, action_id: int, routes: list[Route]) -> None:
    """Remove an action from its routes. A route that loses its last action is switched off, since without actions it absorbs mail."""
    for route in routes:
        before = action_ids(route.id)
        db.session.execute(delete(RouteAction).where(RouteAction.route_id == route.id, RouteAction.action_id == action_id))
        after = action_ids(route.id)
        was = route.enabled
        route.enabled = route.enabled and bool(after)
        _changed(actor, route, {"action_ids": before, "enabled": was}, {"action_ids": after, "enabled": route.enabled})


def _changed(actor: Actor, route: Route, before: dict[str, Any], after: dict[str, Any]) -> None:
    route.version += 1
    db.session.flush()
    audit.record(actor, "route.update", Target("route", route.id, route.name), before=before, after=after)


def rule_ids(route_id: int) -> list[int]:
    return list(db.session.scalars(select(RouteRule.rule_id).where(RouteRule.route_id == route_id).order_by(RouteRule.position)))


def action_ids(route_id: int) -> list[int]:
    return list(db.session.scalars(select(RouteAction.action_id).where(RouteAction.route_id == route_id).order_by(RouteAction.position)))


def bump_routes_of_rule(rule_id: int) -> None:
    """A changed rule makes a new version of every route that uses it."""
    _bump(select(RouteRule.route_id).where(RouteRule.rule_id == rule_id))


def bump_routes_of_action(action_id: int) -> None:
    _bump(select(RouteAction.route_id).where(RouteAction.action_id == action_id))


def _bump(ids: Any) -> None:
    statement = update(Route).where(Route.id.in_(ids)).values(version=Route.version + 1, updated_at=utcnow())
    db.session.execute(statement, execution_options={"synchronize_session": False})


def count_by(key: Any, route_id: Any, keys: list[int], route: Any) -> dict[int, int]:
    """How many living routes stand behind each key (a rule or action id)."""
    if not keys:
        return {}
    query = select(key, func.count(func.distinct(route_id))).join(route, route.id == route_id)
    query = query.where(key.in_(keys), route.deleted_at.is_(None)).group_by(key)
    return {row[0]: row[1] for row in db.session.execute(query)}
