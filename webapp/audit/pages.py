"""The audit log in the browser: filters in the address, newest first, each entry with what it changed and where it stands in the chain."""

from typing import Any

from flask import Blueprint, Flask, request, url_for

from webapp.audit import forms, links, service
from webapp.audit.schemas import read
from webapp.core import menu
from webapp.core.access import current_actor, needs
from webapp.core.db import utcnow
from webapp.core.htmx import render
from webapp.core.paging import PageRequest

bp = Blueprint("audit", __name__)
PER_PAGE = 50


@bp.get("/audit")
@needs("audit:read")
def list_page() -> Any:
    """Who did what, when, from where, with which token."""
    actor = current_actor()
    asked = forms.read(request.args)
    cursor = request.args.get("cursor") or None
    found = service.search(actor, asked.filters, PageRequest(1, PER_PAGE, cursor))
    opened = request.args.get("open", 0, int)
    entry = next((row for row in found.items if row.id == opened), None)
    return render(
        "audit/list.html", "audit/_rows.html", found=found, asked=asked, now=utcnow(), chips=_chips(asked.values),
        nouns=[("", "Any action"), *[(noun, noun) for noun in forms.NOUNS]],
        opened=entry.id if entry else None, detail=_detail(entry) if entry else None, url_of=links.target_url,
        open_url=lambda row_id: _url(asked.values, cursor=cursor, open=row_id), clear_url=url_for(".list_page"),
        newer=_url(asked.values) if cursor else None, older=_url(asked.values, cursor=found.next_cursor) if found.next_cursor else None,
    )  # fmt: skip


def _url(values: dict[str, str], **more: Any) -> str:
    return url_for(".list_page", **{name: value for name, value in {**values, **more}.items() if value not in (None, "")})


def _chips(values: dict[str, str]) -> list[dict[str, Any]]:
    rest = {name: value for name, value in values.items() if name not in ("actor_type", "result")}
    current = "refused" if values.get("result") == "refused" else values.get("actor_type", "")
    found = []
    for key, label in forms.CHIPS:
        narrowed = {"result": key} if key == "refused" else {"actor_type": key} if key else {}
        found.append({"label": label, "url": _url(rest, **narrowed), "current": key == current})
    return found


@bp.get("/audit/<int:entry_id>")
@needs("audit:read")
def show_page(entry_id: int) -> Any:
    """One entry by itself."""
    entry = service.get_entry(current_actor(), entry_id)
    return render("audit/show.html", entry=entry, url_of=links.target_url, **_detail(entry))


def _detail(entry: Any) -> dict[str, Any]:
    return {"before": read(entry.before), "after": read(entry.after), "neighbours": service.neighbours(current_actor(), entry)}


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    menu.add("Audit log", "Audit log", "audit.list_page", scope="audit:read")
