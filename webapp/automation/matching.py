"""Whether a mail satisfies the rules of a route. Pure: no database, no network.

Cheap rules run first and the walk stops as soon as the outcome is known (reference/mailtrigger.md section 6.3). A rule that fails counts
as not matched; the route is then failed and nothing of it runs.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from webapp.automation import rule_types
from webapp.automation.mail_view import MailView
from webapp.automation.rule_types import RuleError, RuleSpec, RuleTimeout


@dataclass(frozen=True)
class Verdict:
    """What one rule said. `matched` is None when it was not asked, because the outcome was known before."""

    position: int
    rule_id: int | None
    name: str
    type: str
    field: str
    matched: bool | None
    excerpt: str = ""
    error: str | None = None
    timed_out: bool = False
    ms: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return {
            "position": self.position, "rule_id": self.rule_id, "name": self.name, "type": self.type, "field": self.field,
            "matched": self.matched, "excerpt": self.excerpt, "error": self.error, "ms": round(self.ms, 2),
        }  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """Whether the route fires; the verdicts in the order of its rules; the position of the rule that decided, if one did."""

    matched: bool
    verdicts: tuple[Verdict, ...]
    error: str | None = None
    decided_by: int | None = None


def in_order(rules: Sequence[RuleSpec]) -> list[tuple[int, RuleSpec]]:
    """(position, rule) in the order of evaluation: by cost, then as the author put them."""
    costs = {kind.name: kind.cost for kind in rule_types.types()}
    return sorted(enumerate(rules), key=lambda item: (costs.get(item[1].type, 0), item[0]))


def evaluate(rules: Sequence[RuleSpec], match_type: str, mail: MailView) -> Outcome:
    """Judge a mail by the rules of one route.

    match_type  `all` (every rule) or `any` (at least one); without rules both fire on every mail
    """
    verdicts: dict[int, Verdict] = {}
    decided: int | None = None
    error: str | None = None
    for position, rule in in_order(rules):
        verdict = verdicts[position] = judge(rule, position, mail)
        if verdict.error is not None:
            decided, error = position, f"Rule “{rule.name or rule.type}”: {verdict.error}"
            break
        if verdict.matched is (match_type == "any"):
            decided = position
            break
    for position, rule in enumerate(rules):
        verdicts.setdefault(position, Verdict(position, rule.id, rule.name, rule.type, rule.field, None))
    if error is not None:
        matched = False
    elif match_type == "any":
        matched = decided is not None or not rules
    else:
        matched = decided is None
    return Outcome(matched, tuple(verdicts[position] for position in sorted(verdicts)), error, decided)


def judge(rule: RuleSpec, position: int, mail: MailView) -> Verdict:
    """What one rule says; never raises for a rule that goes wrong."""
    started = time.perf_counter()
    matched, excerpt, error, timed_out = False, "", None, False
    try:
        if rule.options.get("problem"):
            raise RuleError(str(rule.options["problem"]))
        found = rule_types.get(rule.type).judge(rule, mail)
        matched, excerpt = found.holds, found.excerpt
    except RuleError as problem:
        error, timed_out = str(problem), isinstance(problem, RuleTimeout)
    ms = (time.perf_counter() - started) * 1000
    return Verdict(position, rule.id, rule.name, rule.type, rule.field, matched, excerpt, error, timed_out, ms)
