"""Rotation: a token gets a successor with the same rights, and both work for as long as the programs need to change over."""

from datetime import timedelta

from webapp.audit import service as audit
from webapp.core import live
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Forbidden, InvalidState
from webapp.tokens import bounds, service
from webapp.tokens import format as form
from webapp.tokens.models import ApiToken

#: seconds: at most a week, and an hour when it is not told
LONGEST_OVERLAP_S, OVERLAP_S = 604_800, 3600


def rotate_token(actor: Actor, token_id: int, overlap_s: int = OVERLAP_S) -> tuple[ApiToken, ApiToken, str]:
    """Make the successor of a token; the old one ends after `overlap_s` seconds (0: now), or when it would have ended anyway.

    The successor has the same name, scopes and limits and lives as long as the old one was made for.

    returns  (old, new, value of the new one, this once)
    raises   Forbidden when the token acts for somebody else or reaches further than the actor; InvalidState when it has ended or was
             rotated already
    """
    old = service.get_token(actor, token_id, "tokens:write", for_update=True)
    if old.user_id != actor.user_id:
        raise Forbidden(
            f"This token acts for {old.user.name or old.user.email}, who alone may have its new value.",
            hint="Revoke it and create one of your own, or ask that person to rotate it.",
        )
    if not bounds.covers(actor, old):
        raise Forbidden("A token can give no more than it has; this one reaches further.", code="insufficient_scope")
    now = utcnow()
    if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= now):
        raise InvalidState("This token has ended, so nothing is left to change over from.", hint="Create a new one.")
    if old.replaced_by_id is not None:
        raise InvalidState("This token was rotated already.", hint=f"Rotate its successor, the token {old.replaced_by_id}.")
    before = service.snapshot(old)
    value = form.make(old.kind)
    new = ApiToken(
        workspace_id=old.workspace_id, user_id=old.user_id, name=old.name, kind=old.kind, public_id=form.public_id(value),
        secret_hash=form.digest(value), last_four=value[-4:], scopes=old.scopes, domain_ids=old.domain_ids,
        mailbox_ids=old.mailbox_ids, mailbox_id=old.mailbox_id, allowed_ips=old.allowed_ips,
        expires_at=None if old.expires_at is None else now + (old.expires_at - old.created_at),
    )  # fmt: skip
    db.session.add(new)
    db.session.flush()
    ends = now + timedelta(seconds=overlap_s)
    old.expires_at = ends if old.expires_at is None else min(old.expires_at, ends)
    old.rotated_at, old.replaced_by_id = now, new.id
    if overlap_s == 0:
        old.revoked_at = now
    db.session.flush()
    after = {**service.snapshot(old), "replaced_by": new.id, "overlap_s": overlap_s}
    audit.record(actor, "token.rotate", service.target(old), before=before, after=after)
    audit.record(actor, "token.create", service.target(new), after={**service.snapshot(new), "replaces": old.id})
    live.notify(actor.workspace_id, "tokens-changed")
    return old, new, value
