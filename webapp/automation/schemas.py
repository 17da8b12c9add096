"""Shapes of rules, actions, routes and mailbox data on the wire (DESIGN section 4 "Names of the MailTrigger family")."""

from typing import Any

from marshmallow import fields, validate

from webapp.automation import actions, parameters, rule_types, saved_actions
from webapp.automation.mail_fields import FIELDS
from webapp.automation.models import DIRECTIONS, MATCH_TYPES, ON_ERROR
from webapp.automation.saved_actions import LONGEST_TIMEOUT_S
from webapp.automation.waits import MOST_ATTEMPTS
from webapp.core.shapes import Choice, Count, DayStart, Id, IdText, Line, Long, Shape


class ForceQuery(Shape):
    force = fields.Boolean(load_default=False, metadata={"description": "Take it out of the routes that use it"})


class Stamps(Shape):
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


# --- rules ------------------------------------------------------------------------------------------------


class RulePatch(Shape):
    name = Line(200, least=1)
    type = fields.String(metadata={"description": "See GET /rule-types"})
    field = fields.String(metadata={"description": f"One of {', '.join(FIELDS)}"})
    header_name = Line(120, allow_none=True, metadata={"description": "Needed when field is header"})
    value = Long(metadata={"description": "Pattern or text"})
    case_sensitive = fields.Boolean()
    prompt = Long(allow_none=True)
    model = Line(200, allow_none=True)
    code = Long(allow_none=True)


class RuleIn(RulePatch):
    name = Line(200, least=1, required=True)
    type = fields.String(required=True, metadata={"description": "See GET /rule-types"})


class RuleOut(Stamps):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    type = fields.String(required=True)
    field = fields.String(required=True)
    header_name = fields.String(required=True, allow_none=True)
    value = fields.String(required=True)
    case_sensitive = fields.Boolean(required=True)
    prompt = fields.String(required=True, allow_none=True)
    model = fields.String(required=True, allow_none=True)
    code = fields.String(required=True, allow_none=True)
    engine = Choice("re2", "regex", required=True, allow_none=True, metadata={"description": "What evaluates a pattern"})
    problem = fields.String(required=True, allow_none=True, metadata={"description": "Why it is switched off"})


class RuleQuery(Shape):
    type = fields.String(load_default=None)
    field = fields.String(load_default=None)
    search = Line(load_default=None, metadata={"description": "In name and value"})


class TypeNameOut(Shape):
    name = fields.String(required=True)
    label = fields.String(required=True)


class RuleTypeOut(TypeNameOut):
    summary = fields.String(required=True)
    negative = fields.Boolean(required=True)
    uses = fields.List(fields.String(), required=True, metadata={"description": "Fields of a rule that this type reads"})
    available_fields = fields.List(fields.Nested(TypeNameOut), required=True, metadata={"description": "What it can look at"})


def rule_type_list() -> list[dict[str, Any]]:
    """Every rule type as `RuleTypeOut` shows it."""
    known = [{"name": item.name, "label": item.label} for item in FIELDS.values()]
    return [
        {
            "name": kind.name, "label": kind.label, "summary": kind.summary, "negative": kind.negative, "uses": list(kind.uses),
            "available_fields": known,
        }
        for kind in rule_types.types()
    ]  # fmt: skip


# --- actions ----------------------------------------------------------------------------------------------


class ActionPatch(Shape):
    name = Line(200, least=1)
    type = fields.String(metadata={"description": "See GET /action-types"})
    parameters = fields.Dict(
        keys=fields.String(), metadata={"description": "As the type declares them (GET /action-types); secrets go in and come back masked"}
    )
    attach_to_mail = fields.Boolean(metadata={"description": "Keep the answer as an attachment for the actions behind it"})
    pass_to_next = fields.Boolean()
    on_error = Choice(*ON_ERROR, allow_none=True, metadata={"description": "null: what the type does by itself"})
    timeout_seconds = Count(1, LONGEST_TIMEOUT_S, allow_none=True)
    max_attempts = Count(1, MOST_ATTEMPTS)


class ActionIn(ActionPatch):
    name = Line(200, least=1, required=True)
    type = fields.String(required=True, metadata={"description": "See GET /action-types"})


class ActionOut(Stamps):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    type = fields.String(required=True)
    parameters = fields.Function(saved_actions.shown, required=True, metadata={"type": "object", "description": "Secrets masked"})
    attach_to_mail = fields.Boolean(required=True)
    pass_to_next = fields.Boolean(required=True)
    on_error = fields.Function(saved_actions.on_error_of, required=True, metadata={"type": "string", "enum": list(ON_ERROR)})
    timeout_seconds = fields.Integer(required=True, allow_none=True)
    max_attempts = fields.Integer(required=True)


class ActionQuery(Shape):
    type = fields.String(load_default=None)
    search = Line(load_default=None, metadata={"description": "In the name"})


class ChoiceOut(Shape):
    value = fields.String(required=True)
    label = fields.String(required=True)


class InnerParameterOut(Shape):
    name = fields.String(required=True)
    label = fields.String(required=True)
    type = fields.String(required=True)
    required = fields.Boolean(required=True)
    default = fields.Raw(required=True, allow_none=True)
    secret = fields.Boolean(required=True)
    description = fields.String(required=True)
    supports_variables = fields.Boolean(required=True)
    value = fields.Raw(allow_none=True, metadata={"description": "Of this action, secrets masked"})
    choices = fields.List(fields.Nested(ChoiceOut))


class ParameterOut(InnerParameterOut):
    """Groups of parameters go one level deep."""

    parameters = fields.List(fields.Nested(InnerParameterOut))


class ActionTypeOut(TypeNameOut):
    summary = fields.String(required=True)
    parameters = fields.List(fields.Nested(ParameterOut), required=True)
    attaches = fields.Boolean(required=True, metadata={"description": "Whether attach_to_mail is possible"})
    on_error = Choice(*ON_ERROR, required=True, metadata={"description": "Default"})
    timeout_seconds = fields.Integer(required=True, metadata={"description": "Default"})


def action_type_list() -> list[dict[str, Any]]:
    """Every action type as `ActionTypeOut` shows it."""
    return [
        {
            "name": kind.name, "label": kind.label, "summary": kind.summary, "parameters": parameters.describe(kind.parameters),
            "attaches": kind.attaches, "on_error": kind.on_error, "timeout_seconds": int(kind.timeout_s),
        }
        for kind in actions.types()
    ]  # fmt: skip


# --- routes -----------------------------------------------------------------------------------------------


class RouteStepIn(Shape):
    action_id = Id(required=True)
    on_error = Choice(*ON_ERROR, load_default=None, allow_none=True, metadata={"description": "Instead of the action's own setting"})
    pass_to_next = fields.Boolean(load_default=None, allow_none=True)


class RoutePatch(Shape):
    mailbox_id = Id()
    name = Line(200, least=1)
    enabled = fields.Boolean()
    direction = Choice(*DIRECTIONS)
    match_type = Choice(*MATCH_TYPES)
    rule_ids = fields.List(Id(), validate=validate.Length(max=50), metadata={"description": "Empty: fires on every mail"})
    actions = fields.List(
        fields.Nested(RouteStepIn), validate=validate.Length(max=50), metadata={"description": "In order; empty: the mail is absorbed"}
    )
    position = Count(1, 1_000_000, allow_none=True, metadata={"description": "Lower runs first; null: at the end"})
    stop_on_match = fields.Boolean()


class RouteIn(RoutePatch):
    mailbox_id = Id(required=True)
    name = Line(200, least=1, required=True)


class RouteStepOut(Shape):
    action_id = fields.Integer(required=True)
    on_error = Choice(*ON_ERROR, required=True, allow_none=True)
    pass_to_next = fields.Boolean(required=True, allow_none=True)


class RouteOut(Stamps):
    id = fields.Integer(required=True)
    mailbox_id = fields.Integer(required=True)
    name = fields.String(required=True)
    enabled = fields.Boolean(required=True)
    direction = Choice(*DIRECTIONS, required=True)
    match_type = Choice(*MATCH_TYPES, required=True)
    rule_ids = fields.List(fields.Integer(), required=True)
    actions = fields.List(fields.Nested(RouteStepOut), required=True)
    position = fields.Integer(required=True)
    stop_on_match = fields.Boolean(required=True)
    version = fields.Integer(required=True)
    last_run_at = fields.DateTime(required=True, allow_none=True)
    last_status = fields.String(required=True, allow_none=True)


class RouteQuery(Shape):
    mailbox_id = IdText(load_default=None)
    enabled = fields.Boolean(load_default=None)
    direction = Choice(*DIRECTIONS, load_default=None)
    search = Line(load_default=None, metadata={"description": "In the name"})


class ReorderIn(Shape):
    mailbox_id = Id(required=True)
    ids = fields.List(Id(), required=True, validate=validate.Length(min=1, max=1000))


class ReorderOut(Shape):
    mailbox_id = fields.Integer(required=True)
    ids = fields.List(fields.Integer(), required=True)


# --- mailbox data -----------------------------------------------------------------------------------------


class DataPatch(Shape):
    emails = fields.List(Line(320), validate=validate.Length(min=1, max=500))
    data = fields.Dict(keys=fields.String())
    note = Long(10_000)


class DataIn(DataPatch):
    emails = fields.List(Line(320), required=True, validate=validate.Length(min=1, max=500))
    data = fields.Dict(keys=fields.String(), required=True)


class DataOut(Stamps):
    id = fields.Integer(required=True)
    mailbox_id = fields.Integer(required=True)
    emails = fields.List(fields.String(), required=True)
    data = fields.Dict(required=True, metadata={"description": "With ?fields= only the named keys"})
    note = fields.String(required=True)
    file_id = fields.Integer(required=True, allow_none=True)


class DataQuery(Shape):
    file = IdText(load_default=None, metadata={"description": "Id of the upload that entries came from"})
    emails = Line(4000, load_default=None, metadata={"description": "Addresses, comma-separated; any of them"})
    note = Line(load_default=None)
    data = Line(1000, load_default=None, metadata={"description": "key:value pairs, comma-separated, or a bare text"})
    fields_ = Line(1000, load_default=None, data_key="fields", metadata={"description": "Return only these keys, comma-separated"})
    created_after = DayStart(load_default=None)
    created_before = DayStart(end=True, load_default=None)
    created_exact = Line(40, load_default=None, metadata={"description": "YYYY-MM-DD (a whole day in UTC) or ISO 8601"})


class ImportOut(Shape):
    file_id = fields.Integer(required=True)
    filename = fields.String(required=True)
    entry_count = fields.Integer(required=True)
