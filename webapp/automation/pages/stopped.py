"""/stopped: automatic mail that looked like a loop and goes no further until a person says so."""

from flask import Blueprint, Response, request, url_for

from webapp.automation import exchanges
from webapp.core.access import current_actor, needs
from webapp.core.db import utcnow
from webapp.core.htmx import redirect_to, render
from webapp.core.paging import PageRequest

bp = Blueprint("stopped", __name__)
PER_PAGE = 50
KINDS = {"reply": "Answers to", "forward": "Forwards of mail from", "target": "Forwards to", "return": "Reports back to"}


@bp.get("/stopped")
@needs("logs:read")
def list_page() -> Response:
    """The stopped pairs of the workspace."""
    actor = current_actor()
    page = exchanges.list_stopped(actor, PageRequest(per_page=PER_PAGE, cursor=request.args.get("cursor") or None))
    return render(
        "automation/stopped.html", "automation/_stopped.html", page=page, now=utcnow(), kinds=KINDS, may=actor.may("routes:write"),
        older=url_for(".list_page", cursor=page.next_cursor) if page.next_cursor else None,
        newest=url_for(".list_page") if request.args.get("cursor") else None,
    )  # fmt: skip


@bp.post("/stopped/<int:stopped_id>/release")
@needs("routes:write")
def release(stopped_id: int) -> Response:
    """Let one pair go on."""
    shown = exchanges.release(current_actor(), stopped_id)
    return redirect_to(url_for(".list_page"), toast=f"{shown.mailbox} goes on with {shown.correspondent}")
