"""Shapes of route logs and of tests on the wire."""

from marshmallow import fields, validate

from webapp.automation.models_runs import OUTCOMES, RUN_STATUSES, STEP_STATUSES
from webapp.core.shapes import Choice, DayStart, Id, IdText, Line, Long, Shape

DIRECTION = ("received", "sent")
MOST_PEOPLE = validate.Length(max=100)


class VerdictOut(Shape):
    position = fields.Integer(required=True)
    rule_id = fields.Integer(required=True, allow_none=True)
    name = fields.String(required=True)
    type = fields.String(required=True)
    field = fields.String(required=True)
    matched = fields.Boolean(required=True, allow_none=True, metadata={"description": "null: not asked, the outcome was known"})
    excerpt = fields.String(required=True)
    error = fields.String(required=True, allow_none=True)
    ms = fields.Float(required=True)


class RunOut(Shape):
    id = fields.Integer(required=True)
    mailbox_id = fields.Integer(required=True)
    route_id = fields.Integer(required=True, allow_none=True)
    route = fields.String(required=True, attribute="route_name")
    route_version = fields.Integer(required=True)
    archive_id = fields.Integer(required=True, allow_none=True, attribute="message_id")
    status = Choice(*RUN_STATUSES, required=True)
    matched = fields.Boolean(required=True, allow_none=True)
    error = fields.String(required=True, allow_none=True)
    direction = Choice(*DIRECTION, required=True)
    is_test = fields.Boolean(required=True)
    replay = fields.Integer(required=True, attribute="round", metadata={"description": "0, or which replay it was"})
    sender = fields.String(required=True)
    recipient = fields.String(required=True)
    subject = fields.String(required=True)
    triggered_at = fields.DateTime(required=True)
    started_at = fields.DateTime(required=True, allow_none=True)
    finished_at = fields.DateTime(required=True, allow_none=True)
    next_attempt_at = fields.DateTime(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class RunAttemptOut(Shape):
    number = fields.Integer(required=True)
    at = fields.DateTime(required=True)
    outcome = Choice(*OUTCOMES, required=True)
    status_code = fields.Integer(required=True, allow_none=True)
    detail = fields.String(required=True)
    error = fields.String(required=True, allow_none=True)
    ms = fields.Integer(required=True)
    request = fields.Dict(required=True, allow_none=True, metadata={"description": "Secrets masked, payloads cut to 64 KB"})
    answer = fields.Dict(required=True, allow_none=True)


class RunStepOut(Shape):
    position = fields.Integer(required=True)
    action_id = fields.Integer(required=True, allow_none=True)
    name = fields.String(required=True)
    type = fields.String(required=True)
    status = Choice(*STEP_STATUSES, required=True)
    detail = fields.String(required=True)
    delivery = fields.String(required=True, metadata={"description": "X-Mailroom-Delivery, the same on each attempt"})
    changed = fields.List(fields.String(), required=True, metadata={"description": "Parts of the mail that it changed"})
    pass_to_next = fields.Boolean(required=True, allow_none=True, attribute="passed_on")
    started_at = fields.DateTime(required=True, allow_none=True)
    finished_at = fields.DateTime(required=True, allow_none=True)
    attempts = fields.List(fields.Nested(RunAttemptOut), required=True)


class RunDetailOut(RunOut):
    body = fields.String(required=True, allow_none=True, metadata={"description": "Text of the mail; null without archives:read"})
    rules = fields.List(fields.Nested(VerdictOut), required=True, attribute="verdicts")
    match_type = fields.String(required=True, allow_none=True)
    actions = fields.List(fields.Nested(RunStepOut), required=True)


class RunQuery(Shape):
    route = IdText(load_default=None, metadata={"description": "Id of a route"})
    route_id = IdText(load_default=None)
    status = Choice(*RUN_STATUSES, load_default=None)
    direction = Choice(*DIRECTION, "incoming", "outgoing", load_default=None)
    is_test = fields.Boolean(load_default=None)
    after = DayStart(load_default=None)
    before = DayStart(end=True, load_default=None)
    search = Line(load_default=None, metadata={"description": "In subject, sender, recipient and route"})


# --- tests ------------------------------------------------------------------------------------------------


class TestFile(Shape):
    __test__ = False
    filename = Line(255, least=1, required=True)
    content_type = Line(120, load_default="application/octet-stream")
    content = fields.String(required=True, metadata={"format": "byte", "description": "The file in base64"})


class TestSource(Shape):
    """A mail to test with: exactly one of typed parts, `eml`, or `archive_id`."""

    __test__ = False
    sender = Line(1000, load_default=None, allow_none=True)
    receivers = fields.List(Line(1000), load_default=list, validate=MOST_PEOPLE, metadata={"description": "Default: the mailbox"})
    cc = fields.List(Line(1000), load_default=list, validate=MOST_PEOPLE)
    subject = Line(998, load_default=None, allow_none=True)
    body = Long(5_000_000, load_default=None, allow_none=True)
    html = Long(5_000_000, load_default=None, allow_none=True)
    headers = fields.Dict(keys=fields.String(), values=fields.String(), load_default=dict, validate=validate.Length(max=100))
    attachments = fields.List(fields.Nested(TestFile), load_default=list, validate=validate.Length(max=50))
    eml = fields.String(load_default=None, allow_none=True, metadata={"format": "byte", "description": "A .eml file in base64"})
    archive_id = Id(load_default=None, allow_none=True, metadata={"description": "A stored mail"})


class TestMailIn(TestSource):
    __test__ = False
    route_id = Id(load_default=None, allow_none=True, metadata={"description": "Only this route"})
    dry_run = fields.Boolean(load_default=False, metadata={"description": "Rules evaluated, parameters rendered, nothing carried out"})


class TrialIn(TestSource):
    mailbox_id = Id(load_default=None, allow_none=True, metadata={"description": "On whose behalf; default: that of archive_id"})


class ActionTrialIn(TrialIn):
    dry_run = fields.Boolean(load_default=False, metadata={"description": "Only render the parameters"})


class RuleTestOut(Shape):
    rule_id = fields.Integer(required=True)
    matched = fields.Boolean(required=True)
    excerpt = fields.String(required=True)
    error = fields.String(required=True, allow_none=True)
    engine = fields.String(required=True, allow_none=True)
    ms = fields.Float(required=True)


class ActionTestOut(Shape):
    action_id = fields.Integer(required=True)
    dry_run = fields.Boolean(required=True)
    rendered = fields.Dict(required=True, metadata={"description": "Parameters with their variables replaced, secrets masked"})
    outcome = Choice(*OUTCOMES, allow_none=True, required=True)
    detail = fields.String(required=True)
    error = fields.String(required=True, allow_none=True)
    status_code = fields.Integer(required=True, allow_none=True)
    ms = fields.Integer(required=True)
    changed = fields.List(fields.String(), required=True)
    request = fields.Dict(required=True, allow_none=True)
    answer = fields.Dict(required=True, allow_none=True)


class RenderedOut(Shape):
    action_id = fields.Integer(required=True)
    action = fields.String(required=True)
    type = fields.String(required=True)
    rendered = fields.Dict(required=True, allow_none=True)
    error = fields.String(required=True, allow_none=True)
    warnings = fields.List(fields.String(), required=True)


class DryRouteOut(Shape):
    route_id = fields.Integer(required=True)
    route = fields.String(required=True)
    matched = fields.Boolean(required=True)
    error = fields.String(required=True, allow_none=True)
    note = fields.String(required=True, allow_none=True)
    rules = fields.List(fields.Nested(VerdictOut), required=True)
    actions = fields.List(fields.Nested(RenderedOut), required=True)


class DryRunOut(Shape):
    routes = fields.List(fields.Nested(DryRouteOut), required=True)


class TestAccepted(Shape):
    __test__ = False
    test_id = fields.Integer(required=True)
    archive_id = fields.Integer(required=True, metadata={"description": "The mail that the routes run on"})
    log_ids = fields.List(fields.Integer(), required=True, metadata={"description": "One route log for each route"})
    status = Choice("queued", required=True)


class ReplayIn(Shape):
    route_id = Id(load_default=None, allow_none=True, metadata={"description": "Only this route"})
