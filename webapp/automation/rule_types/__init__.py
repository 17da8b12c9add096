"""Rule types: one small file each, found here by name. A new type is a file with a class and one line in this list.

A type answers one question about a mail. It says how it is called, what it costs (cheap ones run first), how a value is checked on
save, and whether it holds for a mail. Pure: no database, no Flask; a rule that goes wrong raises `RuleError`.
"""

from webapp.automation.rule_types.base import RuleError, RuleProblem, RuleSpec, RuleTimeout, RuleType
from webapp.automation.rule_types.pattern import NotRegex, Regex
from webapp.automation.rule_types.text import Excludes, Includes

__all__ = ["RuleError", "RuleProblem", "RuleSpec", "RuleTimeout", "RuleType", "find", "get", "names", "register", "types"]

_types: dict[str, RuleType] = {}


def register(kind: RuleType) -> RuleType:
    """Make a type known; the same name again replaces it."""
    _types[kind.name] = kind
    return kind


for _kind in (Regex(), NotRegex(), Includes(), Excludes()):
    register(_kind)


def types() -> list[RuleType]:
    return list(_types.values())


def names() -> list[str]:
    return list(_types)


def find(name: str) -> RuleType | None:
    return _types.get(name)


def get(name: str) -> RuleType:
    """raises RuleError for a type that this installation does not have"""
    found = _types.get(name)
    if found is None:
        raise RuleError(f"This installation has no rule type {name!r}.")
    return found
