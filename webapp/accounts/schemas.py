"""Shapes of workspaces, their members and invitations, and of the account on the wire."""

from marshmallow import fields

from webapp.accounts import invitations, members
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


class WorkspaceConfirm(Shape):
    confirm = fields.String(
        load_default="", metadata={"description": "the name of the workspace; without it nothing is deleted"}
    )  # fmt: skip


class MemberSchema(Shape):
    id = fields.Integer(required=True)
    user_id = fields.Integer(required=True)
    email = fields.Function(lambda member: member.user.email, required=True, metadata={"type": "string"})
    name = fields.Function(lambda member: member.user.name, required=True, metadata={"type": "string"})
    status = fields.Function(members.status, required=True, metadata={"type": "string", "enum": list(members.STATES)})
    role = Choice(*ROLES, required=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class MemberNew(Shape):
    email = Line(320, 3, required=True)
    name = Line(120, load_default="")
    role = Choice(*ROLES, load_default="agent")
    password = fields.String(metadata={"description": "12 to 128 characters; needed for somebody who has no account yet"})


class MemberPatch(Shape):
    role = Choice(*ROLES)
    status = Choice(*members.STATES, metadata={"description": "suspended: keeps place and role, opens nothing"})


class MemberPut(Shape):
    role = Choice(*ROLES, required=True)


class InvitationSchema(Shape):
    id = fields.Integer(required=True)
    email = fields.String(required=True)
    role = Choice(*ROLES, required=True)
    status = fields.Function(
        lambda row: row["status"] if isinstance(row, dict) else invitations.status(row),
        required=True, metadata={"type": "string", "enum": list(invitations.STATES)},
    )  # fmt: skip
    inviter_id = fields.Integer(required=True, allow_none=True, metadata={"description": "user who invited"})
    sent_at = fields.DateTime(required=True)
    expires_at = fields.DateTime(required=True)
    accepted_at = fields.DateTime(required=True, allow_none=True)
    revoked_at = fields.DateTime(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class InvitationMade(InvitationSchema):
    """A fresh invitation, or one with a fresh link."""

    url = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "the link, this once, while outgoing mail is captured; null when it was mailed"},
    )


class InvitationNew(Shape):
    email = Line(320, 3, required=True)
    role = Choice(*ROLES, load_default="agent")


class InvitationQuery(Shape):
    status = Choice(*invitations.STATES)


class AccountLimits(Shape):
    """null: no limit."""

    domains = fields.Integer(required=True, allow_none=True)
    mailboxes_per_domain = fields.Integer(required=True, allow_none=True)
    storage_mb = fields.Integer(required=True, allow_none=True)
    forwarding_destinations = fields.Integer(required=True, allow_none=True)
    aliases_per_mailbox = fields.Integer(required=True, allow_none=True)


class AccountFeatures(Shape):
    sending = fields.Boolean(required=True, metadata={"description": "false while outgoing mail is captured"})


class AccountUsage(Shape):
    domains = fields.Integer(required=True)
    mailboxes = fields.Integer(required=True)
    members = fields.Integer(required=True)
    messages = fields.Integer(required=True)
    storage_used_mb = fields.Float(required=True, metadata={"description": "mail as it came, before compression, in MiB"})


class AccountSchema(Shape):
    """The workspace of the token, in the words of reference/trekmail.md section 3."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    plan = fields.String(required=True, metadata={"description": "always self_hosted: everything is on"})
    limits = fields.Nested(AccountLimits, required=True)
    features = fields.Nested(AccountFeatures, required=True)
    usage = fields.Nested(AccountUsage, required=True)


def workspace_of(member: Membership, current_id: int) -> dict[str, object]:
    """What WorkspaceSchema shows of one membership."""
    workspace = member.workspace
    return {
        "id": workspace.id, "name": workspace.name, "role": member.role, "current": workspace.id == current_id,
        "created_at": workspace.created_at, "updated_at": workspace.updated_at,
    }  # fmt: skip
