"""One rule or one action by itself: what it says, which routes use it, its activity, and the same over the API. Changed in its routes."""

from typing import Any

import orjson
from flask import Response, url_for

from webapp.audit import service as audit
from webapp.automation import actions, reach, rule_types, rules, saved_actions, schemas, usage
from webapp.automation.mail_fields import FIELDS
from webapp.automation.models import Route
from webapp.automation.pages.routes import bp
from webapp.core import envelope
from webapp.core.access import current_actor, needs
from webapp.core.actor import Actor
from webapp.core.htmx import render
from webapp.core.shapes import compile_dump

_dump_rule, _dump_action = compile_dump(schemas.RuleOut()), compile_dump(schemas.ActionOut())


@bp.get("/rules/<int:rule_id>")
@needs("rules:read")
def show_rule(rule_id: int) -> Response:
    """One condition."""
    actor = current_actor()
    rule = rules.get_rule(actor, rule_id)
    kind, field = rule_types.find(rule.type), FIELDS.get(rule.field)
    values = [("Field", field.label if field else rule.field), ("Test", kind.label if kind else rule.type), ("Value", rule.value or "–")]
    values += [("Header", rule.header_name)] if rule.header_name else []
    values += [("Case", "counts" if rule.case_sensitive else "does not count")]
    return _page(actor, "rule", rule, values, usage.routes_of_rule(rule_id), _dump_rule(rule))


@bp.get("/actions/<int:action_id>")
@needs("actions:read")
def show_action(action_id: int) -> Response:
    """One configured step, its secrets masked."""
    actor = current_actor()
    action = saved_actions.get_action(actor, action_id)
    kind = actions.find(action.type)
    values: list[tuple[str, Any]] = [("Kind", kind.label if kind else action.type)]
    labels = {item.name: item.label for item in kind.parameters} if kind else {}
    values += [(labels.get(name, name), _text(value)) for name, value in saved_actions.shown(action).items()]
    values += [("Attempts", f"at most {action.max_attempts}"), ("Behind it", "goes on" if action.pass_to_next else "ends")]
    return _page(actor, "action", action, values, usage.routes_of_action(action_id), _dump_action(action))


def _text(value: Any) -> str:
    if value in (None, "", [], {}):
        return "–"
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def _page(actor: Actor, noun: str, thing: Any, values: list[tuple[str, Any]], used_by: list[Route], data: dict[str, Any]) -> Response:
    seen = [route for route in used_by if reach.is_seen(actor, route.mailbox_id)]
    emails = reach.emails_of(actor, {route.mailbox_id for route in seen})
    return render(
        "automation/part.html", noun=noun, thing=thing, values=values, used_by=seen, emails=emails,
        story=audit.story_of(actor, noun, thing.id), crumb=("Routes", url_for("automation.list_routes")),
        answer=orjson.loads(envelope.json_bytes({"success": True, "data": data})),
    )  # fmt: skip
