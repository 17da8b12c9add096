"""Shapes of tokens and scopes on the wire (DESIGN section 3)."""

from marshmallow import fields, validate

from webapp.core.shapes import Choice, Count, DayStart, Id, Line, Shape, Time
from webapp.tokens import hints, rotation, service

SOME = validate.Length(min=1, max=100)
MANY = validate.Length(min=1, max=1000)


class TokenCreate(Shape):
    name = Line(120, 1, required=True)
    kind = Choice("ops", "message", "workspace", load_default="workspace")
    scopes = fields.List(Line(64, 1), required=True, validate=SOME)
    expires_in = Count(allow_none=True, metadata={"description": "seconds; 0 = never"})
    expires_at = Time(allow_none=True)
    domain_ids = fields.List(Id(), allow_none=True, validate=MANY)
    mailbox_ids = fields.List(Id(), allow_none=True, validate=MANY)
    mailbox_id = Id(allow_none=True, metadata={"description": "the mailbox of a message token"})
    allowed_ips = fields.List(Line(64, 1), allow_none=True, validate=validate.Length(max=100))


class TokenPatch(Shape):
    """Less of everything; what would widen the token is refused."""

    name = Line(120, 1)
    scopes = fields.List(Line(64, 1), validate=SOME)
    expires_at = Time(allow_none=True)
    domain_ids = fields.List(Id(), allow_none=True, validate=MANY)
    mailbox_ids = fields.List(Id(), allow_none=True, validate=MANY)
    allowed_ips = fields.List(Line(64, 1), allow_none=True, validate=validate.Length(max=100))


class Rotation(Shape):
    overlap_s = Count(
        most=rotation.LONGEST_OVERLAP_S, load_default=rotation.OVERLAP_S,
        metadata={"description": "seconds for which the old value works on; 0 ends it now"},
    )  # fmt: skip


class HintSchema(Shape):
    code = Choice(*hints.CODES, required=True)
    message = fields.String(required=True)
    used = fields.List(fields.String(), required=True, metadata={"description": "of broader_than_used: scopes to narrow it to"})
    unused = fields.List(fields.String(), required=True, metadata={"description": "of broader_than_used: scopes that it never used"})


class CallSchema(Shape):
    """One line of a token's log."""

    id = fields.Integer(required=True)
    at = fields.DateTime(required=True)
    method = fields.String(required=True, metadata={"description": "of HTTP, or SMTP"})
    path = fields.String(required=True, metadata={"description": "as the route table has it, with ids; texts are left out"})
    status = fields.Integer(required=True)
    ms = fields.Integer(required=True)
    ip = fields.String(required=True, allow_none=True)
    client = fields.String(required=True, allow_none=True)
    request_id = fields.String(required=True, allow_none=True)
    scopes = fields.List(fields.String(), required=True, metadata={"description": "scopes that the call made use of"})
    times = fields.Integer(required=True, metadata={"description": "equal refusals within a second are one line"})


class CallQuery(Shape):
    result = Choice("done", "refused", metadata={"description": "status below 400, or from 400"})
    method = Choice("GET", "POST", "PUT", "PATCH", "DELETE", "SMTP")
    after = DayStart()
    before = DayStart(end=True)


class TokenSchema(Shape):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    kind = Choice("ops", "message", "workspace", required=True)
    status = fields.Function(
        lambda token: token["status"] if isinstance(token, dict) else service.status(token), metadata={"type": "string"}
    )
    prefix = fields.Function(
        lambda token: token["prefix"] if isinstance(token, dict) else service.prefix(token), metadata={"type": "string"}
    )
    last_four = fields.String(required=True)
    scopes = fields.List(fields.String(), required=True)
    domain_ids = fields.List(fields.Integer(), required=True, allow_none=True)
    mailbox_ids = fields.List(fields.Integer(), required=True, allow_none=True)
    mailbox_id = fields.Integer(required=True, allow_none=True)
    allowed_ips = fields.List(fields.String(), required=True, allow_none=True)
    expires_at = fields.DateTime(required=True, allow_none=True)
    revoked_at = fields.DateTime(required=True, allow_none=True)
    last_used_at = fields.DateTime(required=True, allow_none=True)
    last_used_ip = fields.String(required=True, allow_none=True)
    last_used_client = fields.String(required=True, allow_none=True)
    rotated_at = fields.DateTime(required=True, allow_none=True)
    replaced_by_id = fields.Integer(required=True, allow_none=True, metadata={"description": "the successor that rotation made"})
    hints = fields.List(fields.Nested(HintSchema), required=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class TokenMade(TokenSchema):
    """The answer of a creation: with the value, this once."""

    token = fields.String(required=True)


class Replaced(Shape):
    id = fields.Integer(required=True)
    ends_at = fields.DateTime(required=True)


class TokenRotated(TokenMade):
    """The successor, and what becomes of the one that it replaces."""

    replaces = fields.Nested(Replaced, required=True)


class TokenQuery(Shape):
    kind = Choice("ops", "message", "workspace")
    status = Choice(*service.STATES, metadata={"description": "soon: ends within a week; unused: never used"})
    search = fields.String(validate=validate.Length(max=200), metadata={"description": "part of name or owner, or the last four"})


class ScopeSchema(Shape):
    name = fields.String(required=True)
    family = fields.String(required=True)
    role = fields.String(required=True)
    meaning = fields.String(required=True)


class Constraints(Shape):
    domain_ids = fields.List(fields.Integer(), required=True, allow_none=True)
    mailbox_ids = fields.List(fields.Integer(), required=True, allow_none=True)


class MeToken(Shape):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    type = Choice("ops", "message", "workspace", required=True)
    prefix = fields.String(required=True)
    last_four = fields.String(required=True)
    scopes = fields.List(fields.String(), required=True)
    expires_at = fields.DateTime(required=True, allow_none=True)
    last_used_at = fields.DateTime(required=True, allow_none=True)
    constraints = fields.Nested(Constraints, required=True)


class MeAccount(Shape):
    id = fields.Integer(required=True, metadata={"description": "the workspace of the token"})
    name = fields.String(required=True)
    plan = fields.String(required=True, metadata={"description": "always self_hosted: everything is on"})


class MeUser(Shape):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    email = fields.String(required=True)
    role = fields.String(required=True)


class Capabilities(Shape):
    effective_scopes = fields.List(fields.String(), required=True, metadata={"description": "granted and allowed by the role"})


class MeSchema(Shape):
    """Who asks (reference/trekmail.md section 3)."""

    token = fields.Nested(MeToken, required=True)
    account = fields.Nested(MeAccount, required=True)
    user = fields.Nested(MeUser, required=True)
    capabilities = fields.Nested(Capabilities, required=True)
