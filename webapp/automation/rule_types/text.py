"""`includes` and `excludes`: whether a field contains a text."""

from webapp.automation.rule_types.base import RuleProblem, RuleSpec, RuleType

TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")


class Includes(RuleType):
    name = "includes"
    label = "includes text"
    summary = "True when the field contains the text."

    def check(self, rule: RuleSpec) -> None:
        if rule.field == "has_attachment":
            if rule.value.strip().lower() not in ("", *TRUE, *FALSE):
                raise RuleProblem("value", "Write true or false; empty means true.")
            return
        super().check(rule)

    def search(self, rule: RuleSpec, text: str, until: float) -> tuple[int, int] | None:
        wanted = rule.value
        if rule.field == "has_attachment":
            wanted = "false" if wanted.strip().lower() in FALSE else "true"
        start = text.find(wanted) if rule.case_sensitive else text.lower().find(wanted.lower())
        if start < 0 and not rule.case_sensitive:
            return (0, 0) if wanted.casefold() in text.casefold() else None  # ß and ss: found, but at no place of the text itself
        return None if start < 0 else (start, min(len(text), start + len(wanted)))


class Excludes(Includes):
    name = "excludes"
    label = "does not include"
    summary = "True when the field does not contain the text; also true on an empty field."
    negative = True
