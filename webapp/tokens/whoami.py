"""Who asks: the token of the request, the person behind it, their workspace, and what is left of the scopes after the role."""

from typing import Any

from webapp.accounts import service as accounts
from webapp.core import scopes
from webapp.core.actor import Actor
from webapp.tokens import service


def describe_caller(actor: Actor) -> dict[str, Any]:
    """The answer of `GET /me` (reference/trekmail.md section 3). raises NotFound for a caller without a token"""
    token = service.get_current(actor)
    workspace, owner = accounts.get_workspace(actor), service.owner_of(token)
    return {
        "token": {
            "id": token.id, "name": token.name, "type": token.kind, "prefix": service.prefix(token), "last_four": token.last_four,
            "scopes": token.scopes, "expires_at": token.expires_at, "last_used_at": token.last_used_at,
            "constraints": {"domain_ids": token.domain_ids, "mailbox_ids": token.mailbox_ids},
        },
        "account": {"id": workspace.id, "name": workspace.name, "plan": "self_hosted"},
        "user": {"id": owner.id, "name": owner.name, "email": owner.email, "role": actor.role},
        "capabilities": {"effective_scopes": scopes.effective(actor.scopes, actor.role)},
    }  # fmt: skip
