"""What is odd about a token: never used, unused for long, ending soon, broader than what it used. For list, page and API."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from webapp.core import scopes
from webapp.core.db import db, utcnow
from webapp.tokens.models import ApiToken, TokenScopeUse

UNUSED = timedelta(days=30)
#: a token is not called too broad before it was watched for so long
WATCHED = timedelta(days=7)
SOON = timedelta(days=7)
CODES = ("never_used", "unused_30_days", "expires_soon", "broader_than_used")


@dataclass(frozen=True)
class Hint:
    """One remark. `used` and `unused` name scopes, and are there for `broader_than_used`: narrow the token to `used`."""

    code: str
    message: str
    used: Sequence[str] = ()
    unused: Sequence[str] = ()


def attach(tokens: Iterable[ApiToken]) -> None:
    """Give each token its `hints`; one query for all of them."""
    rows = list(tokens)
    used = used_scopes([token.id for token in rows])
    for token in rows:
        token.__dict__["hints"] = of(token, used.get(token.id, []))


def used_scopes(token_ids: Sequence[int]) -> dict[int, list[str]]:
    """Token -> the scopes that it ever used, in order of their names."""
    found: dict[int, list[str]] = {}
    if token_ids:
        query = select(TokenScopeUse.token_id, TokenScopeUse.scope).where(TokenScopeUse.token_id.in_(token_ids))
        for token_id, scope in db.session.execute(query.order_by(TokenScopeUse.scope)):
            found.setdefault(token_id, []).append(scope)
    return found


def expires_soon(token: ApiToken, now: datetime) -> bool:
    """In the last week of its life, or the last quarter of a short one."""
    return token.expires_at is not None and token.expires_at <= now + min(SOON, (token.expires_at - token.created_at) / 4)


def of(token: ApiToken, used: Sequence[str]) -> list[Hint]:
    """The hints of a token that still works, most pressing first; none for one that has ended."""
    now = utcnow()
    if token.revoked_at is not None or (token.expires_at is not None and token.expires_at <= now):
        return []
    found = []
    if expires_soon(token, now):
        text = "It was rotated and ends soon." if token.replaced_by_id else "It ends soon. Rotate it before programs that use it stop."
        found.append(Hint("expires_soon", text))
    if token.last_used_at is None:
        found.append(Hint("never_used", "No program has used it yet. Revoke it if none will."))
    elif token.last_used_at <= now - UNUSED:
        days = (now - token.last_used_at).days
        found.append(Hint("unused_30_days", f"Unused for {days} days. Revoke it if no program needs it any more."))
    if token.created_at <= now - WATCHED and (left := unused_scopes(token, used)):
        kept = used_of(token, used)
        many = f"{len(kept)} of its {len(kept) + len(left)} scopes"
        found.append(Hint("broader_than_used", f"It used {many}. Narrow it to those, and a stolen value opens less.", kept, left))
    return found


def used_of(token: ApiToken, used: Sequence[str]) -> list[str]:
    """The scopes that it used and still holds."""
    return [name for name in used if scopes.covers(frozenset(token.scopes), name)]


def unused_scopes(token: ApiToken, used: Sequence[str]) -> list[str]:
    """The scopes that it holds and never used, each by its own name; empty while it used none at all."""
    kept = set(used_of(token, used))
    if not kept:
        return []
    granted = frozenset(token.scopes)
    return [name for name in scopes.SCOPES if scopes.covers(granted, name) and name not in kept]
