"""Actions as a workspace keeps them: create, list, change, delete. The kinds of actions are in the package `actions`."""

from collections.abc import Iterable
from typing import Any

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.automation import actions, parameters, usage
from webapp.automation.actions.base import ActionType
from webapp.automation.models import ON_ERROR, Action, Route, RouteAction
from webapp.automation.parameters import BadParameters
from webapp.automation.waits import DEFAULT_ATTEMPTS, MOST_ATTEMPTS
from webapp.core import counters, trash
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Invalid, invalid
from webapp.core.lookup import get_mine, mine
from webapp.core.outside import outside
from webapp.core.paging import Page, PageRequest, paginate

LONGEST_TIMEOUT_S = 60
DEFAULTS: dict[str, Any] = {
    "parameters": {}, "attach_to_mail": False, "pass_to_next": True, "on_error": None, "timeout_seconds": None,
    "max_attempts": DEFAULT_ATTEMPTS,
}  # fmt: skip
SETTINGS = ("attach_to_mail", "pass_to_next", "on_error", "timeout_seconds", "max_attempts")
SORTABLE = {"id": Action.id, "name": Action.name, "type": Action.type, "created_at": Action.created_at, "updated_at": Action.updated_at}


def target(action: Action) -> Target:
    return Target("action", action.id, action.name)


def type_of(action: Action) -> ActionType:
    """raises Invalid for an action whose type this installation does not have (any more)"""
    return find_type(action.type)


def find_type(name: str) -> ActionType:
    kind = actions.find(name)
    if kind is None:
        raise invalid("type", f"There is no such action type here; choose one of {', '.join(actions.names())}.")
    return kind


def shown(action: Action) -> dict[str, Any]:
    """The parameters with secrets masked; those of an unknown type are not shown at all."""
    kind = actions.find(action.type)
    return parameters.mask(kind.parameters, action.parameters) if kind else {}


def on_error_of(action: Action) -> str:
    """What follows its failure, whether chosen or the type's own."""
    kind = actions.find(action.type)
    return action.on_error or (kind.default_on_error(action.attach_to_mail) if kind else "continue")


def describe(action: Action) -> str:
    """A few words after the label: "to kontor@revisor.example"."""
    kind = actions.find(action.type)
    return kind.describe(shown(action)) if kind else ""


def snapshot(action: Action) -> dict[str, Any]:
    """What the audit log keeps: never a secret."""
    return {"name": action.name, "type": action.type, "parameters": shown(action), **{name: getattr(action, name) for name in SETTINGS}}


def check(type_name: str, given: Any, stored: dict[str, Any] | None = None) -> dict[str, Any]:
    """Clean parameters, secrets plain. raises Invalid about type or `parameters.<path>`"""
    kind = find_type(type_name)
    try:
        values = parameters.read(kind.parameters, given, stored)
        kind.check(values, outside().http)
    except BadParameters as bad:
        fields = {f"parameters.{path}" if path else "parameters": texts for path, texts in bad.fields.items()}
        first = next(iter(fields.items()))
        raise Invalid(f"{first[0]}: {first[1][0]}", fields=fields) from None
    return values


def create_action(actor: Actor, *, name: str, type: str, **values: Any) -> Action:
    """A new action. raises Invalid"""
    actor.require("actions:write")
    action = Action(workspace_id=actor.workspace_id, type=type, parameters={})
    _fill(action, {**DEFAULTS, **values, "name": name, "type": type}, None)
    db.session.add(action)
    db.session.flush()
    audit.record(actor, "action.create", target(action), after=snapshot(action))
    return action


def _fill(action: Action, values: dict[str, Any], stored: dict[str, Any] | None) -> None:
    if not (values.get("name") or "").strip():
        raise invalid("name", "An action needs a name; it is shown in the log.")
    kind = find_type(values["type"])
    clean = check(kind.name, values["parameters"], stored)
    if values["attach_to_mail"] and not kind.attaches:
        raise invalid("attach_to_mail", f"An action of the type {kind.name} has no answer to attach.")
    if values["on_error"] is not None and values["on_error"] not in ON_ERROR:
        raise invalid("on_error", "Choose continue or stop.")
    timeout = values["timeout_seconds"]
    if timeout is not None and not 1 <= timeout <= LONGEST_TIMEOUT_S:
        raise invalid("timeout_seconds", f"Between 1 and {LONGEST_TIMEOUT_S} seconds.")
    if not 1 <= values["max_attempts"] <= MOST_ATTEMPTS:
        raise invalid("max_attempts", f"Between 1 and {MOST_ATTEMPTS}.")
    action.name, action.type = values["name"].strip(), kind.name
    for name in SETTINGS:
        setattr(action, name, values[name])
    if stored is None or clean != stored:
        action.parameters = parameters.seal(kind.parameters, clean)


def list_actions(actor: Actor, asked: PageRequest, filters: dict[str, Any]) -> Page[Action]:
    """Actions of the workspace; filters: type, search (in the name)."""
    actor.require("actions:read")
    query = mine(actor, Action)
    if filters.get("type"):
        query = query.where(Action.type == filters["type"])
    if wanted := filters.get("search"):
        query = query.where(Action.name.icontains(wanted, autoescape=True))
    total = None if any(filters.values()) else counters.read(actor.workspace_id, "actions")
    return paginate(query, asked, sortable=SORTABLE, default="created_at", tie=Action.id, total=total, descending=True)


def get_action(actor: Actor, action_id: int) -> Action:
    actor.require("actions:read")
    return get_mine(actor, Action, action_id, "action")


def update_action(actor: Actor, action_id: int, changes: dict[str, Any], *, replace: bool = False) -> Action:
    """Change the given fields, or with `replace` all of them. Of `parameters` only the given names change (null takes one away),
    unless replaced; a secret that comes back masked stays. raises Invalid
    """
    actor.require("actions:write")
    action = get_mine(actor, Action, action_id, "action", for_update=True)
    usage.refuse_beyond(actor, "action", usage.routes_of_action(action.id) if actor.is_limited else [])
    before, sealed = snapshot(action), action.parameters
    changed_type = changes.get("type", action.type) != action.type
    kind = actions.find(action.type)
    stored = None if changed_type or kind is None else parameters.unseal(kind.parameters, action.parameters)
    current = {"name": action.name, "type": action.type, "parameters": stored or {}, **{name: getattr(action, name) for name in SETTINGS}}
    values = {**({**DEFAULTS, "name": "", "type": action.type} if replace else current), **changes}
    if not replace and "parameters" in changes and isinstance(changes["parameters"], dict):
        values["parameters"] = {name: value for name, value in {**(stored or {}), **changes["parameters"]}.items() if value is not None}
    _fill(action, values, stored)
    db.session.flush()
    if snapshot(action) != before or action.parameters != sealed:
        usage.bump_routes_of_action(action.id)
        after = snapshot(action)
        if after == before:
            before, after = {**before, "secrets": "as before"}, {**after, "secrets": "changed"}
        audit.record(actor, "action.update", target(action), before=before, after=after)
    return action


def delete_action(actor: Actor, action_id: int, *, force: bool = False) -> Action:
    """Put an action into the trash. raises InUse with the routes that use it, unless `force` takes it out of them"""
    actor.require("actions:write")
    action = get_mine(actor, Action, action_id, "action", for_update=True)
    usage.refuse_beyond(actor, "action", usage.routes_of_action(action.id) if actor.is_limited else [])
    routes = usage.routes_of_action(action.id)
    if routes:
        usage.refuse_unless(force, "action", action.name, routes)
        usage.take_action_out(actor, action.id, routes)
    action.deleted_at = utcnow()
    db.session.flush()
    audit.record(actor, "action.delete", target(action), before=snapshot(action))
    return action


def many(actor: Actor, action_ids: Iterable[int]) -> dict[int, Action]:
    """Living actions of the workspace by id."""
    ids = sorted(set(action_ids))
    return {action.id: action for action in db.session.scalars(mine(actor, Action).where(Action.id.in_(ids)))} if ids else {}


def own(actor: Actor, action_ids: list[int]) -> dict[int, Action]:
    """raises Invalid for an id that is not the workspace's"""
    found = many(actor, action_ids)
    for number, action_id in enumerate(action_ids):
        if action_id not in found:
            text = f"There is no action with the id {action_id}."
            raise Invalid(text, fields={f"actions.{number}.action_id": [text]})
    return found


def routes_by_action(action_ids: list[int]) -> dict[int, int]:
    """How many living routes use each action."""
    return usage.count_by(RouteAction.action_id, RouteAction.route_id, action_ids, Route)


def _restore(actor: Actor, action: Action) -> None:
    actor.require("actions:write")


def _purge(action: Action) -> None:
    db.session.delete(action)


trash.register("action", Action, Action.name, _restore, _purge, "actions:read")
