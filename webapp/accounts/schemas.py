"""Shapes of workspaces and their members on the wire."""

from marshmallow import fields

from webapp.accounts.models import Membership
from webapp.core.scopes import ROLES
from webapp.core.shapes import Choice, Line, Shape


class WorkspaceSchema(Shape):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    role = Choice(*ROLES, required=True, metadata={"description": "of the person behind the token"})
    current = fields.Boolean(required=True, metadata={"description": "the one that the token works in"})
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class WorkspaceNew(Shape):
    name = Line(80, 1, required=True)


class MemberSchema(Shape):
    id = fields.Integer(required=True)
    user_id = fields.Integer(required=True)
    email = fields.Function(lambda member: member.user.email, required=True, metadata={"type": "string"})
    name = fields.Function(lambda member: member.user.name, required=True, metadata={"type": "string"})
    status = fields.Function(lambda member: member.user.status, required=True, metadata={"type": "string", "enum": ["active", "suspended"]})
    role = Choice(*ROLES, required=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class MemberNew(Shape):
    email = Line(320, 3, required=True)
    name = Line(120, load_default="")
    role = Choice(*ROLES, load_default="agent")
    password = fields.String(metadata={"description": "12 to 128 characters; needed for somebody who has no account yet"})


class MemberPatch(Shape):
    role = Choice(*ROLES, required=True)


def workspace_of(member: Membership, current_id: int) -> dict[str, object]:
    """What WorkspaceSchema shows of one membership."""
    workspace = member.workspace
    return {
        "id": workspace.id, "name": workspace.name, "role": member.role, "current": workspace.id == current_id,
        "created_at": workspace.created_at, "updated_at": workspace.updated_at,
    }  # fmt: skip
