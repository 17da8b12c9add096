"""Routes as they stand at the moment of evaluation, with everything that a run needs to follow them later."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from webapp.automation import actions, rules, saved_actions
from webapp.automation.matching import Outcome
from webapp.automation.models import Action, Route, RouteAction, RouteRule, Rule
from webapp.automation.rule_types import RuleSpec
from webapp.core.db import db


@dataclass(frozen=True)
class LoadedRoute:
    """A route as it stands at the moment of evaluation; this version is followed and stored (RELIABILITY C-20)."""

    id: int
    name: str
    version: int
    match_type: str
    stop_on_match: bool
    rules: list[RuleSpec]
    steps: list[dict[str, Any]]

    @property
    def absorbs(self) -> bool:
        return any((kind := actions.find(step["type"])) is not None and kind.absorbs for step in self.steps)


def load_routes(routes: Sequence[Route]) -> list[LoadedRoute]:
    """Routes with their rules and actions, three queries whatever their number."""
    ids = [route.id for route in routes]
    own_rules: dict[int, list[RuleSpec]] = {route_id: [] for route_id in ids}
    own_steps: dict[int, list[dict[str, Any]]] = {route_id: [] for route_id in ids}
    rule_query = select(RouteRule.route_id, Rule).join(Rule, Rule.id == RouteRule.rule_id).where(RouteRule.route_id.in_(ids))
    for route_id, rule in db.session.execute(rule_query.order_by(RouteRule.position)) if ids else ():
        own_rules[route_id].append(rules.spec_of(rule))
    step_query = select(RouteAction, Action).join(Action, Action.id == RouteAction.action_id).where(RouteAction.route_id.in_(ids))
    for place, action in db.session.execute(step_query.order_by(RouteAction.position)) if ids else ():
        own_steps[place.route_id].append(step_of(action, place))
    return [
        LoadedRoute(r.id, r.name, r.version, r.match_type, r.stop_on_match, own_rules[r.id], own_steps[r.id]) for r in routes
    ]  # fmt: skip


def step_of(action: Action, place: RouteAction | None = None) -> dict[str, Any]:
    """An action as a run follows it: the settings of the place in the route win over the action's own."""
    kind = actions.find(action.type)
    own_pass = place.pass_to_next if place is not None else None
    return {
        "action_id": action.id, "name": action.name, "type": action.type,
        "settings": {
            "parameters": action.parameters, "attach_to_mail": action.attach_to_mail,
            "pass_to_next": action.pass_to_next if own_pass is None else own_pass,
            "on_error": (place.on_error if place is not None else None) or saved_actions.on_error_of(action),
            "timeout_s": action.timeout_seconds or (kind.timeout_s if kind else 15.0), "max_attempts": action.max_attempts,
        },
    }  # fmt: skip


def snapshot(route: LoadedRoute, outcome: Outcome | None) -> dict[str, Any]:
    """The route as it was, for the log."""
    return {
        "match_type": route.match_type, "stop_on_match": route.stop_on_match, "decided_by": outcome.decided_by if outcome else None,
        "rules": [
            {"id": rule.id, "name": rule.name, "type": rule.type, "field": rule.field, "header_name": rule.header_name or None,
             "value": rule.value, "case_sensitive": rule.case_sensitive}
            for rule in route.rules
        ],
        "action_ids": [step["action_id"] for step in route.steps],
    }  # fmt: skip
