"""Reading a token's own log: what it asked for, newest first."""

from typing import Any

from sqlalchemy import select

from webapp.core.actor import Actor
from webapp.core.paging import Page, PageRequest, keyset
from webapp.tokens import service
from webapp.tokens.calls import microseconds
from webapp.tokens.models import TokenCall


def list_calls(actor: Actor, token_id: int, asked: PageRequest, filters: dict[str, Any]) -> Page[TokenCall]:
    """Lines of the last 30 days.

    filters  result (done: status below 400; refused: from 400), method, after, before (moments)
    raises   NotFound for a token that the actor does not see
    """
    token = service.get_token(actor, token_id)
    query = select(TokenCall).where(TokenCall.token_id == token.id)
    if result := filters.get("result"):
        query = query.where(TokenCall.status >= 400 if result == "refused" else TokenCall.status < 400)
    if method := filters.get("method"):
        query = query.where(TokenCall.method == method)
    if filters.get("after") is not None:
        query = query.where(TokenCall.at_us >= microseconds(filters["after"]))
    if filters.get("before") is not None:
        query = query.where(TokenCall.at_us < microseconds(filters["before"]))
    return keyset(query, asked, keys=[TokenCall.at_us, TokenCall.id])
