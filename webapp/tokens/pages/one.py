"""The page of one token: what it may do, what it changed, and its own log."""

from typing import Any

from flask import current_app, make_response, request, url_for

from webapp.audit import service as audit
from webapp.core import limits, scopes
from webapp.core.access import current_actor, needs
from webapp.core.actor import Actor
from webapp.core.config import settings
from webapp.core.db import db
from webapp.core.htmx import render
from webapp.core.paging import PageRequest
from webapp.tokens import call_log, calls, reach, service
from webapp.tokens.models import ApiToken
from webapp.tokens.pages.blueprint import bp

LINES = 50
RESULTS = (("", "All"), ("done", "Done"), ("refused", "Refused"))
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "SMTP")


@bp.get("/tokens/<int:token_id>")
@needs("tokens:read")
def show_page(token_id: int) -> Any:
    """One token: what it may do, what it did."""
    actor = current_actor()
    token = service.get_token(actor, token_id)
    did = audit.latest(actor, token_id=token.id, limit=20)
    return render("tokens/show.html", did=did, **about(actor, token))


@bp.get("/tokens/<int:token_id>/log")
@needs("tokens:read")
def log_page(token_id: int) -> Any:
    """What one token asked for in the last 30 days."""
    actor = current_actor()
    asked = {name: request.args.get(name, "") for name in ("result", "method")}
    result = asked["result"] if asked["result"] in ("done", "refused") else None
    method = asked["method"] if asked["method"] in METHODS else None
    if calls.flush(current_app._get_current_object()):  # type: ignore[attr-defined]
        db.session.rollback()  # SQLite shows a transaction the database as it was when it began
    cursor = request.args.get("cursor") or None
    found = call_log.list_calls(actor, token_id, PageRequest(per_page=LINES, cursor=cursor), {"result": result, "method": method})
    chips = [{"label": label, "url": _log_url(token_id, asked, result=key), "current": (result or "") == key} for key, label in RESULTS]
    return render(
        "tokens/log.html", "tokens/_log_rows.html", found=found, asked=asked, chips=chips,
        methods=[("", "Any method"), *[(name, name) for name in METHODS]], log_url=_log_url(token_id, asked),
        newest=_log_url(token_id, asked) if cursor else None,
        older=_log_url(token_id, asked, cursor=found.next_cursor) if found.next_cursor else None,
        **about(actor, service.get_token(actor, token_id)),
    )  # fmt: skip


def _log_url(token_id: int, asked: dict[str, str], **changes: Any) -> str:
    chosen = {name: value for name, value in {**asked, **changes}.items() if value}
    return url_for(".log_page", token_id=token_id, **chosen)


def about(actor: Actor, token: ApiToken) -> dict[str, Any]:
    """What the pages of a fresh and of a known token say."""
    effective = scopes.effective(frozenset(token.scopes), actor.role) if token.user_id == actor.user_id else None
    allowed = limits.parse(settings().rate_limits)
    return {
        "token": token, "state": service.status(token), "prefix": service.prefix(token), "limits": reach.named(actor, token),
        "owner": service.owner_of(token), "effective": effective, "story": audit.story_of(actor, "token", token.id),
        "may_send": "messages:send" in scopes.effective(frozenset(token.scopes), "owner"),
        "rate": allowed[limits.KIND_FAMILY[token.kind]] if allowed else None,
        "may_rotate": token.user_id == actor.user_id and actor.may("tokens:write"),
        "ended": service.status(token) in ("revoked", "expired"),
        "tabs": [
            {"key": "about", "label": "Overview", "url": url_for(".show_page", token_id=token.id)},
            {"key": "log", "label": "Log", "url": url_for(".log_page", token_id=token.id)},
        ],
    }  # fmt: skip


@bp.get("/tokens/<int:token_id>/first-call")
@needs("tokens:read")
def first_call(token_id: int) -> Any:
    """The line that turns green when the first call has come; 286 tells htmx to stop asking."""
    token = service.get_token(current_actor(), token_id)
    response = render("tokens/_first_call.html", token=token)
    return make_response(response, 286) if token.last_used_at else response
