"""The trash in the browser."""

from typing import Any

from flask import Blueprint, Flask, request, url_for

from webapp.core import menu
from webapp.core.access import current_actor, needs
from webapp.core.db import db, utcnow
from webapp.core.errors import Conflict, Invalid
from webapp.core.htmx import made, redirect_to, render
from webapp.core.paging import PageRequest
from webapp.trash import service

bp = Blueprint("trash", __name__)
PER_PAGE = 50


@bp.get("/trash")
@needs("trash:read")
def list_page() -> Any:
    """What was deleted in the last 30 days."""
    kind = request.args.get("kind", "")
    kind = kind if kind in service.kinds() else ""
    number = min(max(1, request.args.get("page", 1, int)), 10_000)
    found = service.list_trash(current_actor(), PageRequest(number, PER_PAGE), kind or None)
    chips = [{"label": "All", "url": url_for(".list_page"), "current": not kind}]
    chips += [
        {"label": service.plural(name).capitalize(), "url": url_for(".list_page", kind=name), "current": name == kind}
        for name in service.kinds()
    ]
    return render(
        "trash/list.html", "trash/_rows.html", found=found, chips=chips, kind=kind, now=utcnow(),
        newer=url_for(".list_page", kind=kind or None, page=number - 1) if number > 1 else None,
        older=url_for(".list_page", kind=kind or None, page=number + 1) if found.has_more else None,
    )  # fmt: skip


@bp.post("/trash/<string:kind>/<int:row_id>/restore")
@needs("trash:write")
def restore(kind: str, row_id: int) -> Any:
    """Bring one thing back."""
    try:
        back = service.restore(current_actor(), kind, row_id)
    except (Conflict, Invalid) as refused:
        db.session.rollback()
        return redirect_to(url_for(".list_page"), toast=f"{refused.message} {refused.hint}", tone="bad")
    return made(go_to=url_for(".list_page"), trigger="trash-changed", toast=f"{back.name} is back")


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    menu.add("Set up", "Trash", "trash.list_page", scope="trash:read", order=95)
