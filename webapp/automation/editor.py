"""What stands behind the route editor: a draft from a route (or from a mail), and a draft saved as rules, actions and route at once."""

from typing import Any

from webapp.automation import actions, drafts, parameters, reach, routes, rules, saved_actions
from webapp.automation.drafts import Draft, DraftAction, DraftRule
from webapp.automation.matching import RuleSpec
from webapp.automation.models import Action, Route, Rule
from webapp.core.actor import Actor
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.core.lookup import mine
from webapp.messages.models import Message


def from_route(actor: Actor, route: Route) -> Draft:
    """The route as the editor shows it."""
    rule_ids, steps = routes.parts_of([route.id])
    found = rules.many(actor, rule_ids[route.id])
    used = rules.routes_by_rule(list(found))
    draft = Draft(
        mailbox_id=route.mailbox_id, name=route.name, enabled=route.enabled, direction=route.direction, match_type=route.match_type,
        place="keep", stop_on_match=route.stop_on_match,
    )  # fmt: skip
    draft.rules = [rule_row(found[rule_id], used.get(rule_id, 0)) for rule_id in rule_ids[route.id] if rule_id in found]
    own = saved_actions.many(actor, [step["action_id"] for step in steps[route.id]])
    uses = saved_actions.routes_by_action(list(own))
    for step in steps[route.id]:
        if step["action_id"] in own:
            row = action_row(own[step["action_id"]], uses.get(step["action_id"], 0))
            row.on_error = step["on_error"] or row.on_error
            row.pass_to_next = row.pass_to_next if step["pass_to_next"] is None else step["pass_to_next"]
            draft.actions.append(row)
    return draft


def rule_row(rule: Rule, used: int, *, here: bool = True) -> DraftRule:
    """A stored rule as a row; `used` counts the routes with it, this one included when it stands `here`."""
    return DraftRule(
        rule.id, rule.name, rule.type, rule.field, rule.header_name or "", rule.value, rule.case_sensitive,
        shared=max(0, used - (1 if here else 0)), problem=rule.problem,
    )  # fmt: skip


def action_row(action: Action, used: int, *, here: bool = True) -> DraftAction:
    kind = actions.find(action.type)
    return DraftAction(
        action.id, action.id, action.type, action.name, drafts.flat(kind.parameters, saved_actions.shown(action)) if kind else {},
        action.on_error or "", action.pass_to_next, action.attach_to_mail, str(action.max_attempts),
        str(action.timeout_seconds or ""), shared=max(0, used - (1 if here else 0)), open=False,
    )  # fmt: skip


def from_message(message: Message) -> Draft:
    """“Create rule from this mail”: its mailbox, its sender and its subject as conditions."""
    draft = drafts.new_draft(message.mailbox_id)
    draft.direction, draft.rules = "incoming" if message.direction == "received" else "outgoing", []
    if message.sender:
        draft.rules.append(DraftRule(type="includes", field="sender", value=message.sender))
    if message.subject:
        draft.rules.append(DraftRule(type="includes", field="subject", value=message.subject[:200]))
    draft.name = f"Mail from {message.sender_name or message.sender or 'this sender'}"[:200]
    return draft


def add_existing(actor: Actor, draft: Draft, noun: str, row_id: int | None) -> None:
    """Take a stored rule or action into the draft; an unknown id changes nothing."""
    if row_id is None:
        return
    if noun == "rule" and row_id not in {row.rule_id for row in draft.rules} and (rule := rules.many(actor, [row_id]).get(row_id)):
        kept_rules = [row for row in draft.rules if not drafts.is_blank(row)]
        draft.rules = [*kept_rules, rule_row(rule, rules.routes_by_rule([rule.id]).get(rule.id, 0), here=False)]
    elif noun == "action" and (action := saved_actions.many(actor, [row_id]).get(row_id)):
        kept_actions = [row for row in draft.actions if not drafts.is_blank(row)]
        draft.actions = [*kept_actions, action_row(action, saved_actions.routes_by_action([action.id]).get(action.id, 0), here=False)]


def specs(draft: Draft) -> list[RuleSpec]:
    """The conditions of the draft as they would be evaluated. raises Invalid about `rules.<n>.<field>`"""
    found = []
    for number, row in enumerate(draft.rules):
        spec = _renamed(lambda row=row: rules.check(row.values()), f"rules.{number}.")
        found.append(RuleSpec(spec.type, spec.field, spec.value, spec.header_name, spec.case_sensitive, row.rule_id, row.values()["name"]))
    return found


def _renamed(check: Any, prefix: str) -> Any:
    try:
        return check()
    except Invalid as bad:
        raise Invalid(bad.message, fields={f"{prefix}{name}": texts for name, texts in bad.fields.items()}) from None


def problems(actor: Actor, draft: Draft) -> dict[str, list[str]]:
    """Everything that is wrong with a draft, by field, all at once; empty when it can be saved."""
    wrong: dict[str, list[str]] = {}
    for number, row in enumerate(draft.rules):
        if row.shared:
            continue
        try:
            rules.check(row.values())
        except Invalid as bad:
            wrong.update({f"rules.{number}.{name}": texts for name, texts in bad.fields.items()})
    for number, step in enumerate(draft.actions):
        if step.shared:
            continue
        try:
            saved_actions.check(step.type, step.parameters(), _stored(actor, step))
            _settings(step)
        except Invalid as bad:
            wrong.update({f"actions.{number}.{name.removeprefix('parameters.')}": texts for name, texts in bad.fields.items()})
            step.open = True
    if not draft.name.strip():
        wrong["name"] = ["Give the route a name; it is shown in the log."]
    if draft.mailbox_id is None:
        wrong["mailbox_id"] = ["Choose the mailbox whose mail it looks at."]
    return wrong


def _stored(actor: Actor, step: DraftAction) -> dict[str, Any] | None:
    """The plain values that masked secrets of this row stand for."""
    source_id = step.action_id or step.source_id
    action = saved_actions.many(actor, [source_id]).get(source_id) if source_id else None
    if action is None or action.type != step.type or step.kind is None:
        return None
    return parameters.unseal(step.kind.parameters, action.parameters)


def _settings(step: DraftAction) -> dict[str, Any]:
    numbers: dict[str, int | None] = {}
    for name, text, default in (("max_attempts", step.max_attempts, 8), ("timeout_seconds", step.timeout_seconds, None)):
        if text.strip() and not text.strip().isdigit():
            raise Invalid("Write a whole number.", fields={name: ["Write a whole number."]})
        numbers[name] = int(text) if text.strip() else default
    limits = (("max_attempts", saved_actions.MOST_ATTEMPTS), ("timeout_seconds", saved_actions.LONGEST_TIMEOUT_S))
    for name, most in limits:
        value = numbers[name]
        if value is not None and not 1 <= value <= most:
            raise Invalid(f"Between 1 and {most}.", fields={name: [f"Between 1 and {most}."]})
    return {
        "attach_to_mail": step.attach_to_mail and bool(step.kind and step.kind.attaches), "pass_to_next": step.pass_to_next,
        "on_error": step.on_error or None, **numbers,
    }  # fmt: skip


def save(actor: Actor, route_id: int | None, draft: Draft) -> Route:
    """Rules, actions and the route in one transaction. raises Invalid with the fields of the form (`rules.0.value`, `actions.1.url`)"""
    actor.require("routes:write")
    wrong = problems(actor, draft)
    if wrong:
        raise Invalid(next(iter(wrong.values()))[0], fields=wrong)
    rule_ids = [_save_rule(actor, row) for row in draft.rules]
    steps = [routes.Step(_save_action(actor, row), *_overrides(row)) for row in draft.actions]
    values: dict[str, Any] = {
        "name": draft.name, "enabled": draft.enabled, "direction": draft.direction, "match_type": draft.match_type,
        "stop_on_match": draft.stop_on_match, "rule_ids": rule_ids, "actions": [step.as_dict() for step in steps],
    }  # fmt: skip
    mailbox_id = draft.mailbox_id or 0
    if route_id is None:
        route = routes.create_route(actor, mailbox_id=mailbox_id, **values)
    else:
        route = routes.update_route(actor, route_id, {**values, "mailbox_id": mailbox_id})
    _put_in_place(actor, route, draft.place)
    return route


def _overrides(row: DraftAction) -> tuple[str | None, bool | None]:
    """Settings of a shared action are changed for this route alone."""
    return (row.on_error or None, row.pass_to_next) if row.shared else (None, None)


def _save_rule(actor: Actor, row: DraftRule) -> int:
    if row.rule_id is None:
        return rules.create_rule(actor, **row.values()).id
    if row.shared:
        return row.rule_id
    stored = rules.many(actor, [row.rule_id]).get(row.rule_id)
    if stored is not None and stored.name == drafts.auto_name(rule_row(stored, 0)):
        row.name = ""
    return rules.update_rule(actor, row.rule_id, row.values()).id


def _save_action(actor: Actor, row: DraftAction) -> int:
    if row.shared and row.action_id is not None:
        return row.action_id
    label = row.kind.label if row.kind else row.type
    values = {"name": row.name.strip() or f"{label} {row.summary}".strip()[:200], "parameters": row.parameters(), **_settings(row)}
    if row.action_id is not None:
        return saved_actions.update_action(actor, row.action_id, {"type": row.type, **values}, replace=True).id
    clean = saved_actions.check(row.type, row.parameters(), _stored(actor, row))
    return saved_actions.create_action(actor, type=row.type, **{**values, "parameters": clean}).id


def _put_in_place(actor: Actor, route: Route, place: str) -> None:
    """`first`, `last`, `after-<id>`, or `keep`."""
    if place == "keep":
        return
    others = [row.id for row in neighbours(actor, route.mailbox_id) if row.id != route.id]
    index = 0 if place == "first" else len(others)
    if place.startswith("after-") and place[6:].isdigit() and int(place[6:]) in others:
        index = others.index(int(place[6:])) + 1
    routes.reorder(actor, route.mailbox_id, [*others[:index], route.id, *others[index:]])


def neighbours(actor: Actor, mailbox_id: int | None) -> list[Route]:
    """The routes of a mailbox in their order."""
    if mailbox_id is None:
        return []
    query = mine(actor, Route).where(Route.mailbox_id == mailbox_id, reach.within(actor, Route.mailbox_id))
    return list(db.session.scalars(query.order_by(Route.position, Route.id)))
