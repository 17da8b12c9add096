"""/happenings: the event stream on a page."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Flask, Response, request, url_for

from webapp.core import menu
from webapp.core.access import current_actor, needs
from webapp.core.htmx import render
from webapp.core.paging import PageRequest
from webapp.happenings import service
from webapp.happenings.models import TYPES, Event

bp = Blueprint("happenings", __name__)
PER_PAGE = 50
#: characters of a text of the details on the page
MOST_TEXT = 160
#: details that are shown as they are
SHOWN = ("bounce", "class", "reason", "route", "status", "feedback", "from", "subject", "url", "filename")
FILTERS = ("q", "type", "mailbox_id", "since", "until", "cursor")
WORDS = {name: name.replace(".", " ").capitalize() for name in TYPES}


@bp.get("/happenings")
@needs("events:read")
def list_page() -> Response:
    """What happened, newest first, filtered in the address."""
    actor = current_actor()
    filters = _filters()
    asked = PageRequest(per_page=PER_PAGE, cursor=request.args.get("cursor") or None)
    page = service.list_events(actor, asked, filters)
    return render(
        "happenings/list.html", "happenings/_rows.html", page=page, q=filters["recipient"] or "", types=WORDS, meanings=TYPES,
        chosen=filters["type"], since=request.args.get("since", "")[:10], until=request.args.get("until", "")[:10],
        mailbox_id=filters["mailbox_id"], said=sentence, link=_about, narrowed=any(filters.values()),
        older=_link(cursor=page.next_cursor) if page.next_cursor else None, newest=_link(cursor=None) if asked.cursor else None,
    )  # fmt: skip


def _filters() -> dict[str, Any]:
    kind = request.args.get("type", "")
    return {
        "recipient": request.args.get("q", "").strip()[:254] or None, "type": kind if kind in TYPES else None,
        "mailbox_id": request.args.get("mailbox_id", type=int), "since": _day("since"), "until": _day("until"),
    }  # fmt: skip


def _day(name: str) -> datetime | None:
    """The first instant of a day that the address names, in UTC; None for what is no day."""
    try:
        return datetime.fromisoformat(request.args.get(name, "")[:10]).replace(tzinfo=UTC)
    except ValueError:
        return None


def _link(**changes: str | None) -> str:
    kept: dict[str, Any] = {name: request.args[name] for name in FILTERS if request.args.get(name)}
    return url_for("happenings.list_page", **{name: value for name, value in {**kept, **changes}.items() if value})


def _about(event: Event) -> str | None:
    """Where the thing itself is shown; it may be gone by now."""
    if event.delivery_id is not None:
        return url_for("sending.show", delivery_id=event.delivery_id)
    if event.type == "route.ran" and (event.details or {}).get("run_id"):
        return url_for("runs.show_page", run_id=(event.details or {})["run_id"])
    return url_for("messages.show_page", message_id=event.message_id) if event.message_id is not None else None


def sentence(event: Event) -> str:
    """The facts of an event in one line."""
    facts = event.details or {}
    parts = [str(facts[name]) for name in SHOWN if facts.get(name)]
    reply = " ".join(str(facts.get("reply", "")).split())
    if reply:
        parts.append(reply if str(facts.get("code", "")) in reply[:4] else f"{facts.get('code', '')} {reply}".strip())
    if facts.get("machine"):
        parts.append(f"by a machine ({str(facts['machine']).replace('_', ' ')})")
    if facts.get("by"):
        parts.append(f"by {facts['by']}")
    if facts.get("reported"):
        parts.append("reported later")
    text = ", ".join(parts)
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT].rstrip()}…"


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    menu.add("Developers", "Events", "happenings.list_page", scope="events:read", order=30)
