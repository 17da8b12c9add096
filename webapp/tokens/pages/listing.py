"""The list of tokens."""

from typing import Any

from flask import request, url_for

from webapp.core.access import current_actor, needs
from webapp.core.db import utcnow
from webapp.core.htmx import render
from webapp.core.paging import PageRequest
from webapp.tokens import reach, service
from webapp.tokens.forms import KINDS
from webapp.tokens.models import ApiToken
from webapp.tokens.pages.blueprint import bp

PER_PAGE = 50
CHIPS = (
    ("", "All", "all"),
    ("active", "Active", "active"),
    ("soon", "Ends soon", "soon"),
    ("unused", "Never used", "unused"),
    ("expired", "Expired", "expired"),
    ("revoked", "Revoked", "revoked"),
)


@bp.get("/tokens")
@needs("tokens:read")
def list_page() -> Any:
    """What programs may do here, and what they did last."""
    actor = current_actor()
    asked = {name: request.args.get(name, "").strip() for name in ("q", "kind", "state")}
    state = asked["state"] if asked["state"] in {key for key, _, _ in CHIPS if key} else None
    kind = asked["kind"] if asked["kind"] in KINDS else None
    number = max(1, request.args.get("page", 1, int))
    found = service.list_tokens(actor, PageRequest(min(number, 10_000), PER_PAGE), kind=kind, state=state, search=asked["q"] or None)
    counts = service.count_states(actor)
    chips = [
        {"label": label, "count": counts[count], "url": _list_url(asked, state=key), "current": (state or "") == key}
        for key, label, count in CHIPS
    ]  # fmt: skip
    return render(
        "tokens/list.html", "tokens/_rows.html", found=found, asked=asked, chips=chips, any_token=counts["all"] > 0, now=utcnow(),
        status_of=service.status, reach_of=lambda token: reach.words(actor, token), remark_of=remark,
        kinds=[("", "Any kind"), *[(name, name) for name in KINDS]],
        newer=_list_url(asked, page=number - 1) if number > 1 else None,
        older=_list_url(asked, page=number + 1) if found.has_more else None,
    )  # fmt: skip


def remark(token: ApiToken) -> str:
    """The hint of a row in a few words; what its state says already is left out."""
    for hint in token.hints:
        if hint.code == "unused_30_days":
            return f"unused for {(utcnow() - token.last_used_at).days} days" if token.last_used_at else ""
        if hint.code == "broader_than_used":
            return f"uses {len(hint.used)} of {len(hint.used) + len(hint.unused)} scopes"
    return "rotated" if token.replaced_by_id and not token.revoked_at else ""


def _list_url(asked: dict[str, str], **changes: Any) -> str:
    chosen = {**asked, **changes}
    return url_for(".list_page", **{name: value for name, value in chosen.items() if value not in ("", None, 1)})
