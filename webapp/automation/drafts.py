"""The route editor's draft: what stands in its form between two submits. Pure: read from a form, changed by buttons, checked on save.

Field names: `rules-0-value`, `actions-1-p-url`, `actions-1-p-auth.token`; buttons send `do`, such as `remove-rule-0` or `up-action-2`.
Nothing is saved before Save; every other button only changes the draft and shows it again, so the editor works without script.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from webapp.automation import actions, rule_types
from webapp.automation.mail_fields import FIELDS
from webapp.automation.parameters import MASK, Declared, Parameter
from webapp.automation.rule_types import RuleSpec

MOST_ROWS = 50


@dataclass
class DraftRule:
    """One condition. `rule_id` None: it is new; `shared`: how many other routes use it, so it is locked here."""

    rule_id: int | None = None
    name: str = ""
    type: str = "includes"
    field: str = "subject"
    header_name: str = ""
    value: str = ""
    case_sensitive: bool = False
    shared: int = 0
    problem: str | None = None

    @property
    def evaluated_by(self) -> str | None:
        """re2 or regex, for a pattern that can be read."""
        kind = rule_types.find(self.type)
        return kind.engine(RuleSpec(self.type, self.field, self.value, case_sensitive=self.case_sensitive)) if kind and self.value else None

    def values(self) -> dict[str, Any]:
        return {
            "name": self.name or auto_name(self), "type": self.type, "field": self.field, "header_name": self.header_name or None,
            "value": self.value, "case_sensitive": self.case_sensitive,
        }  # fmt: skip


@dataclass
class DraftAction:
    """One step. `values` are texts by path, as the form has them; `source_id` is the action that masked secrets come from."""

    action_id: int | None = None
    source_id: int | None = None
    type: str = "webhook"
    name: str = ""
    values: dict[str, str] = field(default_factory=dict)
    on_error: str = ""
    pass_to_next: bool = True
    attach_to_mail: bool = False
    max_attempts: str = "8"
    timeout_seconds: str = ""
    shared: int = 0
    open: bool = True

    @property
    def kind(self) -> actions.ActionType | None:
        return actions.find(self.type)

    def parameters(self) -> dict[str, Any]:
        """The texts of the form as the declared parameters take them."""
        return nested(self.kind.parameters, self.values) if self.kind else {}

    @property
    def summary(self) -> str:
        """A few words behind the label; never raises for half a form."""
        return describe(self)


@dataclass
class Draft:
    """The whole form."""

    mailbox_id: int | None = None
    name: str = ""
    enabled: bool = True
    direction: str = "incoming"
    match_type: str = "all"
    place: str = "last"
    stop_on_match: bool = False
    rules: list[DraftRule] = field(default_factory=list)
    actions: list[DraftAction] = field(default_factory=list)
    errors: dict[str, list[str]] = field(default_factory=dict)


def auto_name(rule: DraftRule) -> str:
    """The name that a condition gets by itself: “Subject includes text “invoice””."""
    kind = rule_types.find(rule.type)
    where = FIELDS[rule.field].label if rule.field in FIELDS else rule.field
    if rule.field == "header" and rule.header_name:
        where = rule.header_name
    value = " ".join(rule.value.split())
    return f"{where} {kind.label if kind else rule.type} “{value[:60]}{'…' if len(value) > 60 else ''}”"


def describe(action: DraftAction) -> str:
    kind = action.kind
    if kind is None:
        return ""
    values = dict(action.parameters())
    for item in kind.parameters:
        if item.kind == "list" and isinstance(values.get(item.name), str):
            values[item.name] = [part.strip() for part in values[item.name].replace("\n", ",").split(",") if part.strip()]
        if item.kind == "map" and isinstance(values.get(item.name), str):
            values[item.name] = dict.fromkeys(line.partition(":")[0].strip() for line in values[item.name].splitlines() if line.strip())
    return kind.describe(values)[:120]


# --- from and to form values ----------------------------------------------------------------------------


def flat(declared: Declared, shown: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Masked parameters as the texts of form fields, by path."""
    found: dict[str, str] = {}
    for item in declared:
        value = shown.get(item.name)
        if item.kind == "group":
            found.update(flat(item.parameters, value or {}, f"{prefix}{item.name}."))
        else:
            found[f"{prefix}{item.name}"] = as_text(item, item.default if value is None else value)
    return found


def as_text(item: Parameter, value: Any) -> str:
    if value is None:
        return ""
    if item.kind == "list":
        return ", ".join(value)
    if item.kind == "map":
        return "\n".join(f"{name}: {inner}" for name, inner in value.items())
    if item.kind == "body" and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, indent=2)
    if item.kind == "boolean":
        return "1" if value else ""
    return str(value)


def nested(declared: Declared, texts: Mapping[str, str], prefix: str = "") -> dict[str, Any]:
    """Form texts by path as nested parameters; what is empty is left out, so that defaults and checks apply."""
    found: dict[str, Any] = {}
    for item in declared:
        if item.kind == "group":
            found[item.name] = nested(item.parameters, texts, f"{prefix}{item.name}.")
            continue
        text = texts.get(f"{prefix}{item.name}", "")
        if item.kind == "boolean":
            found[item.name] = text == "1"
        elif item.kind == "map" and text.strip():
            found[item.name] = _map(text)
        elif text.strip():
            found[item.name] = text
    return found


def _map(text: str) -> Any:
    """Lines as a map, so that a masked entry can be told; text that is no map stays text and is refused by the check."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not all(":" in line for line in lines):
        return text
    return {name.strip(): rest.strip() for name, _, rest in (line.partition(":") for line in lines)}


def read(form: Mapping[str, str]) -> Draft:
    """The draft as somebody sent it; whatever is missing or odd gets its default."""
    draft = Draft(
        mailbox_id=_number(form.get("mailbox_id")), name=form.get("name", "")[:200], enabled=form.get("enabled") == "1",
        direction=form.get("direction", "incoming"), match_type=form.get("match_type", "all"), place=form.get("place", "last"),
        stop_on_match=form.get("stop_on_match") == "1",
    )  # fmt: skip
    for number in range(MOST_ROWS):
        if f"rules-{number}-type" not in form:
            break
        draft.rules.append(_read_rule(form, f"rules-{number}-"))
    for number in range(MOST_ROWS):
        if f"actions-{number}-type" not in form:
            break
        draft.actions.append(_read_action(form, f"actions-{number}-"))
    return draft


def _read_rule(form: Mapping[str, str], prefix: str) -> DraftRule:
    return DraftRule(
        rule_id=_number(form.get(f"{prefix}id")), name=form.get(f"{prefix}name", "")[:200], type=form.get(f"{prefix}type", "includes"),
        field=form.get(f"{prefix}field", "subject"), header_name=form.get(f"{prefix}header_name", ""), value=form.get(f"{prefix}value", ""),
        case_sensitive=form.get(f"{prefix}case") == "1", shared=_number(form.get(f"{prefix}shared")) or 0,
    )  # fmt: skip


def _read_action(form: Mapping[str, str], prefix: str) -> DraftAction:
    texts = {name[len(prefix) + 2 :]: value for name, value in form.items() if name.startswith(f"{prefix}p-")}
    return DraftAction(
        action_id=_number(form.get(f"{prefix}id")), source_id=_number(form.get(f"{prefix}source")),
        type=form.get(f"{prefix}type", "webhook"), name=form.get(f"{prefix}name", "")[:200], values=texts,
        on_error=form.get(f"{prefix}on_error", ""),
        pass_to_next=form.get(f"{prefix}pass") == "1", attach_to_mail=form.get(f"{prefix}attach") == "1",
        max_attempts=form.get(f"{prefix}max_attempts", "8"), timeout_seconds=form.get(f"{prefix}timeout", ""),
        shared=_number(form.get(f"{prefix}shared")) or 0, open=form.get(f"{prefix}open") == "1",
    )  # fmt: skip


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() and len(text) < 19 else None


# --- buttons ----------------------------------------------------------------------------------------------


def press(draft: Draft, button: str) -> bool:
    """Do what a button of the editor says to the draft; False for a button that is not one of these."""
    verb, _, rest = button.partition("-")
    noun, _, place = rest.partition("-")
    number = _number(place)
    tables: dict[str, list[Any]] = {"rule": draft.rules, "action": draft.actions}
    rows = tables.get(noun)
    if button == "refresh":
        return True
    if rows is None:
        return False
    if verb == "add":
        if len(rows) < MOST_ROWS:
            rows.append(DraftRule() if noun == "rule" else new_action(place))
        return True
    if number is None or not 0 <= number < len(rows):
        return verb in ("remove", "up", "down", "copy", "open", "close")
    if verb == "remove":
        rows.pop(number)
    elif verb in ("up", "down"):
        other = number + (1 if verb == "down" else -1)
        if 0 <= other < len(rows):
            rows[number], rows[other] = rows[other], rows[number]
    elif verb == "copy":
        rows[number] = _copied(rows[number])
    elif verb in ("open", "close") and noun == "action":
        rows[number].open = verb == "open"
    else:
        return False
    return True


def new_draft(mailbox_id: int | None) -> Draft:
    """What an empty editor begins with: one condition and one webhook to fill in."""
    return Draft(mailbox_id=mailbox_id, rules=[DraftRule()], actions=[new_action("webhook")])


def is_blank(row: Any) -> bool:
    """Whether nobody typed anything into a row yet."""
    if isinstance(row, DraftRule):
        return row.rule_id is None and not row.value.strip()
    return row.action_id is None and row.source_id is None and row.values == new_action(row.type).values


def new_action(type_name: str) -> DraftAction:
    """An empty step of a type, with its defaults in the form."""
    kind = actions.find(type_name) or actions.types()[0]
    return DraftAction(type=kind.name, values=flat(kind.parameters, {}))


def _copied(row: Any) -> Any:
    """A row that was shared becomes one of its own."""
    if isinstance(row, DraftRule):
        return replace(row, rule_id=None, shared=0, name="")
    return replace(row, action_id=None, source_id=row.action_id, shared=0, name=f"{row.name} (copy)"[:200], open=True)


def masked_left(draft: DraftAction) -> bool:
    """Whether the form still shows a masked secret that belongs to a stored action."""
    return any(value == MASK or f": {MASK}" in value for value in draft.values.values())


def fill(draft: Draft, place: str, name: str, value: str) -> None:
    """Put a value into a parameter of one action; an unknown place changes nothing."""
    number = _number(place)
    if number is not None and 0 <= number < len(draft.actions):
        draft.actions[number].values[name] = value
