"""Changing a token that programs use already: its name, and less of everything; never more (RELIABILITY C-46)."""

from datetime import datetime
from typing import Any

from webapp.audit import service as audit
from webapp.core import live, scopes
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import InvalidState
from webapp.tokens import bounds, hints, service
from webapp.tokens.bounds import widens
from webapp.tokens.models import ApiToken


def update_token(actor: Actor, token_id: int, changes: dict[str, Any], scope: str = "tokens:write") -> ApiToken:
    """Rename or narrow a token: name, fewer scopes, an earlier end, fewer domains, mailboxes and networks.

    raises Invalid `token_cannot_widen` for anything that would widen it, InvalidState when it is revoked
    """
    token = service.get_token(actor, token_id, scope)
    if token.revoked_at:
        raise InvalidState("This token is revoked.", hint="Create a new one.")
    before = service.snapshot(token)
    if "scopes" in changes:
        token.scopes = _fewer_scopes(token, changes["scopes"])
    if "expires_at" in changes:
        token.expires_at = _sooner(token, changes["expires_at"])
    for field in ("domain_ids", "mailbox_ids"):
        if field in changes:
            setattr(token, field, _fewer_ids(actor, token, field, changes[field]))
    if "allowed_ips" in changes:
        networks = bounds.check_networks(changes["allowed_ips"])
        if token.allowed_ips and not bounds.is_narrower(networks, token.allowed_ips):
            raise widens("allowed_ips", "A token can only lose networks; make a new one for more.")
        token.allowed_ips = networks
    if "name" in changes:
        token.name = changes["name"].strip()
    db.session.flush()
    if service.snapshot(token) != before:
        audit.record(actor, "token.update", service.target(token), before=before, after=service.snapshot(token))
        live.notify(actor.workspace_id, "tokens-changed")
    hints.attach([token])
    return token


def _fewer_scopes(token: ApiToken, wanted: list[str]) -> list[str]:
    if not wanted or not all(scopes.is_known(name) and scopes.covers(frozenset(token.scopes), name) for name in wanted):
        raise widens("scopes", "A token can only lose scopes; make a new one for more.")
    return sorted(set(wanted))


def _sooner(token: ApiToken, moment: datetime | None) -> datetime | None:
    if moment is None and token.expires_at is None:
        return None
    if moment is None or moment <= utcnow() or (token.expires_at and moment > token.expires_at):
        raise widens("expires_at", "A token can only end sooner, from now on; rotate it for a longer life.")
    return moment


def _fewer_ids(actor: Actor, token: ApiToken, field: str, wanted: list[int] | None) -> list[int] | None:
    own: list[int] | None = getattr(token, field)
    if wanted is None and own is None:
        return None
    if token.kind == "message":
        raise widens(field, "A message token is bound to its mailbox; make another one for another mailbox.")
    if wanted is None or not wanted or (own is not None and not set(wanted) <= set(own)):
        raise widens(field, "A token can only lose domains and mailboxes; make a new one for more.")
    if own is None:
        bounds.check_reach(actor, wanted if field == "domain_ids" else None, wanted if field == "mailbox_ids" else None)
    return sorted(set(wanted))
