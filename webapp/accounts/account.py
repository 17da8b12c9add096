"""The workspace of a caller as one object: what it is called, what limits it, what it uses. Numbers are exact and counted by nobody."""

from typing import Any

from sqlalchemy import func, select

from webapp.accounts import letters
from webapp.accounts.models import Membership
from webapp.accounts.persons import get_workspace
from webapp.core import counters
from webapp.core.actor import Actor
from webapp.core.db import db

#: the totals that the features above keep (`core.counters`)
DOMAINS, MAILBOXES, MESSAGES, BYTES = "domains", "mailboxes", "messages", "messages:bytes"
#: nothing is limited per workspace; mailboxes have limits of their own
NO_LIMITS = dict.fromkeys(("domains", "mailboxes_per_domain", "storage_mb", "forwarding_destinations", "aliases_per_mailbox"))


def look(actor: Actor) -> dict[str, Any]:
    """The answer of `GET /account` (reference/trekmail.md section 3)."""
    actor.require("account:read")
    workspace = get_workspace(actor)
    used = counters.read_many(workspace.id, [DOMAINS, MAILBOXES, MESSAGES, BYTES])
    members = db.session.scalar(select(func.count()).select_from(Membership).where(Membership.workspace_id == workspace.id))
    return {
        "id": workspace.id, "name": workspace.name, "plan": "self_hosted", "limits": NO_LIMITS,
        "features": {"sending": not letters.captured()},
        "usage": {
            "domains": used[DOMAINS], "mailboxes": used[MAILBOXES], "members": members or 0, "messages": used[MESSAGES],
            "storage_used_mb": round(used[BYTES] / 2**20, 1),
        },
    }  # fmt: skip
