"""Message tokens of one mailbox: what `/mailboxes/{id}/message-tokens` and the mailbox's page do (reference/trekmail.md section 3)."""

from datetime import timedelta
from typing import Any

from webapp.core.actor import Actor
from webapp.core.db import utcnow
from webapp.core.errors import NotFound, invalid
from webapp.core.paging import Page, PageRequest
from webapp.tokens import narrowing, service
from webapp.tokens.models import ApiToken
from webapp.tokens.reach import reach

SCOPE = service.MANAGE_MESSAGE
HOUR_S, DAY_S = 3600, 86_400
#: words for a life, in seconds; 0 is never
LIVES = {
    "1h": HOUR_S, "2h": 2 * HOUR_S, "4h": 4 * HOUR_S, "8h": 8 * HOUR_S, "7d": 7 * DAY_S, "30d": 30 * DAY_S, "90d": 90 * DAY_S, "never": 0,
}  # fmt: skip


def address_of(actor: Actor, mailbox_id: int) -> str:
    """The address of a mailbox that the actor sees. raises NotFound"""
    actor.require(SCOPE)
    found = dict(reach.mailboxes(actor, [mailbox_id]))
    if mailbox_id not in found:
        raise NotFound(f"There is no mailbox with the id {mailbox_id}.")
    return found[mailbox_id]


def list_of_mailbox(actor: Actor, mailbox_id: int, asked: PageRequest) -> Page[ApiToken]:
    """The message tokens of a mailbox, newest first; below admin only one's own. raises NotFound for the mailbox"""
    address_of(actor, mailbox_id)
    return service.list_tokens(actor, asked, kind="message", mailbox_id=mailbox_id, scope=SCOPE)


def create(
    actor: Actor, mailbox_id: int, *, name: str, scopes: list[str], expires_in: str | int | None = None
) -> tuple[ApiToken, str]:
    """A message token for this mailbox and its value, this once.

    expires_in  a word of LIVES or seconds (0 or `never`: without end); 90 days when it is not told
    raises      NotFound for the mailbox, Invalid about scopes and expires_in
    """
    address_of(actor, mailbox_id)
    seconds = LIVES[expires_in] if isinstance(expires_in, str) else expires_in
    return service.create_token(
        actor, name=name, kind="message", scopes=scopes, mailbox_id=mailbox_id, expires_in=seconds, scope=SCOPE
    )  # fmt: skip


def get(actor: Actor, token_id: int) -> ApiToken:
    """raises NotFound for what is no message token, too"""
    token = service.get_token(actor, token_id, SCOPE)
    if token.kind != "message":
        raise NotFound(f"There is no message token with the id {token_id}.")
    return token


def narrow(actor: Actor, token_id: int, changes: dict[str, Any]) -> ApiToken:
    """Rename, fewer scopes, a sooner end (`expires_in` from now). raises Invalid `token_cannot_widen`"""
    get(actor, token_id)
    wanted = dict(changes)
    if "expires_in" in wanted:
        told = wanted.pop("expires_in")
        seconds = LIVES[told] if isinstance(told, str) else told
        if not seconds:
            raise invalid("expires_in", "A token can only end sooner.")
        wanted["expires_at"] = utcnow() + timedelta(seconds=seconds)
    return narrowing.update_token(actor, token_id, wanted, SCOPE)


def revoke(actor: Actor, token_id: int) -> ApiToken:
    """End one at once; repeating it changes nothing."""
    get(actor, token_id)
    return service.revoke_token(actor, token_id, SCOPE)
