"""Rules: create, list, change, delete. What a rule means is in `matching` and `rule_types`."""

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import select, update

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.automation import rule_types, usage
from webapp.automation.mail_fields import FIELDS
from webapp.automation.models import Route, RouteRule, Rule
from webapp.automation.rule_types import RuleProblem, RuleSpec
from webapp.core import counters, trash
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Invalid, invalid
from webapp.core.lookup import get_mine, mine
from webapp.core.paging import Page, PageRequest, paginate

WRITABLE = ("name", "type", "field", "header_name", "value", "case_sensitive", "prompt", "model", "code")
DEFAULTS: dict[str, Any] = {
    "field": "subject", "header_name": None, "value": "", "case_sensitive": False, "prompt": None, "model": None, "code": None,
}  # fmt: skip
SORTABLE = {"id": Rule.id, "name": Rule.name, "type": Rule.type, "created_at": Rule.created_at, "updated_at": Rule.updated_at}
HEADER_NAME = re.compile(r"[\x21-\x39\x3b-\x7e]{1,120}")


def target(rule: Rule) -> Target:
    return Target("rule", rule.id, rule.name)


def snapshot(rule: Rule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in WRITABLE}


def spec_of(rule: Rule) -> RuleSpec:
    """The rule as it is evaluated."""
    return RuleSpec(
        type=rule.type, field=rule.field, value=rule.value, header_name=rule.header_name or "", case_sensitive=rule.case_sensitive,
        id=rule.id, name=rule.name, options={"prompt": rule.prompt, "model": rule.model, "code": rule.code, "problem": rule.problem},
    )  # fmt: skip


def check(values: dict[str, Any]) -> RuleSpec:
    """The rule that these values make. raises Invalid about name, type, field, header_name or value"""
    if not (values.get("name") or "").strip():
        raise invalid("name", "A rule needs a name; it is shown in the log.")
    kind = rule_types.find(values.get("type") or "")
    if kind is None:
        raise invalid("type", f"There is no such rule type here; choose one of {', '.join(rule_types.names())}.")
    if values.get("field") not in FIELDS:
        raise invalid("field", f"There is no such field; choose one of {', '.join(FIELDS)}.")
    header = (values.get("header_name") or "").strip()
    if values["field"] == "header" and not HEADER_NAME.fullmatch(header):
        raise invalid("header_name", "Name the header, as in X-Priority; letters, digits and hyphens.")
    options = {name: values.get(name) for name in ("prompt", "model", "code")}
    spec = RuleSpec(
        kind.name, values["field"], values.get("value") or "", header, bool(values.get("case_sensitive")), None, values["name"], options
    )
    try:
        kind.check(spec)
    except RuleProblem as problem:
        raise invalid(problem.field, str(problem)) from None
    return spec


def create_rule(actor: Actor, *, name: str, type: str, **values: Any) -> Rule:
    """A new rule. raises Invalid"""
    actor.require("rules:write")
    rule = Rule(workspace_id=actor.workspace_id)
    _fill(rule, {**DEFAULTS, **values, "name": name, "type": type})
    db.session.add(rule)
    db.session.flush()
    audit.record(actor, "rule.create", target(rule), after=snapshot(rule))
    return rule


def _fill(rule: Rule, values: dict[str, Any]) -> None:
    spec = check(values)
    for name in WRITABLE:
        setattr(rule, name, values.get(name))
    rule.name, rule.value, rule.case_sensitive = values["name"].strip(), spec.value, spec.case_sensitive
    rule.header_name = spec.header_name if spec.field == "header" else None
    rule.engine = rule_types.get(rule.type).engine(spec)
    rule.timeout_count, rule.problem = 0, None


def list_rules(actor: Actor, asked: PageRequest, filters: dict[str, Any]) -> Page[Rule]:
    """Rules of the workspace; filters: type, field, search (in name and value)."""
    actor.require("rules:read")
    query = mine(actor, Rule)
    for name in ("type", "field"):
        if filters.get(name):
            query = query.where(getattr(Rule, name) == filters[name])
    if wanted := filters.get("search"):
        query = query.where(Rule.name.icontains(wanted, autoescape=True) | Rule.value.icontains(wanted, autoescape=True))
    total = None if any(filters.values()) else counters.read(actor.workspace_id, "rules")
    return paginate(query, asked, sortable=SORTABLE, default="created_at", tie=Rule.id, total=total, descending=True)


def get_rule(actor: Actor, rule_id: int) -> Rule:
    actor.require("rules:read")
    return get_mine(actor, Rule, rule_id, "rule")


def update_rule(actor: Actor, rule_id: int, changes: dict[str, Any], *, replace: bool = False) -> Rule:
    """Change the given fields, or with `replace` all of them (those left out get their default). raises Invalid"""
    actor.require("rules:write")
    rule = get_mine(actor, Rule, rule_id, "rule", for_update=True)
    usage.refuse_beyond(actor, "rule", usage.routes_of_rule(rule.id) if actor.is_limited else [])
    before = snapshot(rule)
    _fill(rule, {**(DEFAULTS if replace else before), **changes})
    db.session.flush()
    if snapshot(rule) != before:
        usage.bump_routes_of_rule(rule.id)
        audit.record(actor, "rule.update", target(rule), before=before, after=snapshot(rule))
    return rule


def delete_rule(actor: Actor, rule_id: int, *, force: bool = False) -> Rule:
    """Put a rule into the trash. raises InUse with the routes that use it, unless `force` takes it out of them"""
    actor.require("rules:write")
    rule = get_mine(actor, Rule, rule_id, "rule", for_update=True)
    usage.refuse_beyond(actor, "rule", usage.routes_of_rule(rule.id) if actor.is_limited else [])
    routes = usage.routes_of_rule(rule.id)
    if routes:
        usage.refuse_unless(force, "rule", rule.name, routes)
        usage.take_rule_out(actor, rule.id, routes)
    rule.deleted_at = utcnow()
    db.session.flush()
    audit.record(actor, "rule.delete", target(rule), before=snapshot(rule))
    return rule


def many(actor: Actor, rule_ids: Iterable[int]) -> dict[int, Rule]:
    """Living rules of the workspace by id."""
    ids = sorted(set(rule_ids))
    return {rule.id: rule for rule in db.session.scalars(mine(actor, Rule).where(Rule.id.in_(ids)))} if ids else {}


def own(actor: Actor, rule_ids: list[int]) -> list[Rule]:
    """These rules in this order. raises Invalid for an id that is not the workspace's, or stands twice"""
    found = many(actor, rule_ids)
    missing = [rule_id for rule_id in rule_ids if rule_id not in found]
    if missing:
        raise Invalid(f"There is no rule with the id {missing[0]}.", fields={"rule_ids": [f"There is no rule with the id {missing[0]}."]})
    if len(set(rule_ids)) != len(rule_ids):
        raise invalid("rule_ids", "A rule stands in a route once.")
    return [found[rule_id] for rule_id in rule_ids]


def note_timeouts(timed_out: set[int], fine: set[int], most: int) -> None:
    """Count time-outs in a row; a rule that reaches `most` is switched off with the reason, until somebody saves it again."""
    if fine:
        db.session.execute(update(Rule).where(Rule.id.in_(sorted(fine)), Rule.timeout_count > 0).values(timeout_count=0))
    for rule_id in sorted(timed_out):
        rule = db.session.scalar(select(Rule).where(Rule.id == rule_id).with_for_update())
        if rule is None or rule.problem:
            continue
        rule.timeout_count += 1
        if rule.timeout_count >= most:
            rule.problem = f"Switched off: it took longer than 1 s on {most} mails in a row. Save a simpler pattern to switch it on."
            actor = Actor.system(rule.workspace_id)
            audit.record(actor, "rule.switch_off", target(rule), after={"problem": rule.problem})
    db.session.flush()


def _restore(actor: Actor, rule: Rule) -> None:
    actor.require("rules:write")


def _purge(rule: Rule) -> None:
    db.session.delete(rule)


trash.register("rule", Rule, Rule.name, _restore, _purge, "rules:read")


def routes_by_rule(rule_ids: list[int]) -> dict[int, int]:
    """How many living routes use each rule."""
    return usage.count_by(RouteRule.rule_id, RouteRule.route_id, rule_ids, Route)
