"""Shapes of tokens and scopes on the wire (DESIGN section 3)."""

from marshmallow import fields, validate

from webapp.core.shapes import Choice, Count, Id, Line, Shape, Time
from webapp.tokens import service

SOME = validate.Length(min=1, max=100)


class TokenCreate(Shape):
    name = Line(120, 1, required=True)
    kind = Choice("ops", "message", "workspace", load_default="workspace")
    scopes = fields.List(Line(64, 1), required=True, validate=SOME)
    expires_in = Count(allow_none=True, metadata={"description": "seconds; 0 = never"})
    expires_at = Time(allow_none=True)
    domain_ids = fields.List(Id(), allow_none=True, validate=validate.Length(max=1000))
    mailbox_ids = fields.List(Id(), allow_none=True, validate=validate.Length(max=1000))
    mailbox_id = Id(allow_none=True, metadata={"description": "the mailbox of a message token"})
    allowed_ips = fields.List(Line(64, 1), allow_none=True, validate=validate.Length(max=100))


class TokenPatch(Shape):
    name = Line(120, 1)
    scopes = fields.List(Line(64, 1), validate=SOME)
    expires_at = Time(allow_none=True)
    allowed_ips = fields.List(Line(64, 1), allow_none=True, validate=validate.Length(max=100))


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
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class TokenMade(TokenSchema):
    """The answer of a creation: with the value, this once."""

    token = fields.String(required=True)


class TokenQuery(Shape):
    kind = Choice("ops", "message", "workspace")
    status = Choice("active", "expired", "revoked")


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
    type = Choice("ops", "workspace", required=True)
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
