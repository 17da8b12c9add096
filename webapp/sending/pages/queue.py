"""/queue: where each recipient of each mail stands, why, and what can be done about it."""

from typing import Any

from flask import Blueprint, Response, request, url_for

from webapp.audit import service as audit
from webapp.core.access import current_actor, needs
from webapp.core.actor import Actor
from webapp.core.db import database_now
from webapp.core.htmx import made, render
from webapp.core.paging import PageRequest
from webapp.sending import service, ways
from webapp.sending.models import STATES, Attempt
from webapp.sending.why import why

bp = Blueprint("sending", __name__)
PER_PAGE = 25
#: buttons: verb -> (label, icon)
BUTTONS = {
    "retry": ("Send now", "refresh-cw"), "release": ("Release", "play"), "hold": ("Hold", "pause"), "cancel": ("Cancel", "circle-x"),
}  # fmt: skip
#: who made a mail, in words
KINDS = {
    "api": "a person or a program", "smtp": "an SMTP login", "forward": "a route that forwards", "auto_reply": "an automatic answer",
    "system": "Mailroom itself",
}  # fmt: skip
DONE = {
    "retry": "goes out now", "hold": "held until you release it", "release": "released, goes out now",
    "cancel": "cancelled; it is not sent any more",
}  # fmt: skip


@bp.get("/queue")
@needs("deliveries:read")
def queue() -> Response:
    """The list, filtered by state and recipient."""
    actor = current_actor()
    chosen = request.args.get("state", "")
    filters = {
        "state": chosen if chosen in STATES else None, "recipient": request.args.get("q", "").strip()[:254] or None,
        "message_id": request.args.get("message_id", type=int),
    }  # fmt: skip
    asked = PageRequest(per_page=PER_PAGE, cursor=request.args.get("cursor") or None)
    page = service.list_deliveries(actor, asked, filters)
    now = database_now()
    context: dict[str, Any] = {
        "page": page, "kept": {name: filters[name] for name in ("state", "message_id") if filters[name]}, "q": filters["recipient"] or "",
        "rows": [{"row": row, "why": why(row, now), "steps": service.possible_steps(row)} for row in page.items],
        "chips": _chips(actor, filters), "older": _link(cursor=page.next_cursor) if page.next_cursor else None,
        "newest": _link(cursor=None) if asked.cursor else None, "notice": ways.platform().notice, "labels": BUTTONS,
        "may_write": actor.may("deliveries:write"), "may_send": actor.may("messages:send"),
    }  # fmt: skip
    return render("sending/list.html", "sending/_rows.html", **context)


def _chips(actor: Actor, filters: dict[str, Any]) -> list[dict[str, Any]]:
    """A chip for everything, and one for each state that occurs or is chosen; the numbers are kept, not counted."""
    numbers = service.counts(actor)
    chips = [{"label": "All", "url": _link(state=None, cursor=None), "count": sum(numbers.values()), "current": filters["state"] is None}]
    for state in STATES:
        if numbers[state] or state == filters["state"] or state in ("queued", "sent"):
            label = "Sending" if state == "leased" else state.capitalize()
            url = _link(state=state, cursor=None)
            chips.append({"label": label, "url": url, "count": numbers[state], "current": state == filters["state"]})
    return chips


def _link(**changes: str | None) -> str:
    kept: dict[str, Any] = {name: request.args[name] for name in ("state", "q", "message_id", "cursor") if request.args.get(name)}
    return url_for("sending.queue", **{name: value for name, value in {**kept, **changes}.items() if value})


@bp.get("/queue/<int:delivery_id>")
@needs("deliveries:read")
def show(delivery_id: int) -> Response:
    """One delivery: where it is and why, every attempt with the words of both servers, and who did what about it."""
    return render("sending/show.html", "sending/_delivery.html", **_context(delivery_id))


def _context(delivery_id: int) -> dict[str, Any]:
    actor = current_actor()
    row = service.get_delivery(actor, delivery_id)
    now = database_now()
    return {
        "row": row, "why": why(row, now), "steps": service.possible_steps(row), "labels": BUTTONS, "kind_words": KINDS,
        "notice": ways.platform().notice,
        "attempts": [_attempt(attempt) for attempt in reversed(service.attempts_of(delivery_id))],
        "activity": audit.story_of(actor, "delivery", delivery_id), "may_read": actor.may("messages:read"),
        "may_write": actor.may("deliveries:write"), "may_audit": actor.may("audit:read"),
        "answer": {"data": {"id": row.id, "recipient": row.recipient, "state": row.state, "why": why(row, now)}},
    }  # fmt: skip


def _attempt(attempt: Attempt) -> dict[str, Any]:
    """One attempt as the shared part `attempts` paints it."""
    states = {"retry": "deferred", "failed": "bounced"}
    answer = f"{attempt.host}: {attempt.text}" if attempt.host else attempt.text
    return {
        "number": attempt.number, "state": states.get(attempt.outcome, attempt.outcome), "at": attempt.at, "summary": answer,
        "dialogue": "\n".join(attempt.dialogue), "ms": round(attempt.seconds * 1000),
        "error": attempt.text if attempt.outcome != "sent" and not attempt.dialogue else "",
    }  # fmt: skip


@bp.get("/queue/<int:delivery_id>/cancel")
@needs("deliveries:write")
def ask_cancel(delivery_id: int) -> Response:
    """The confirmation."""
    row = service.get_delivery(current_actor(), delivery_id)
    return render(
        "parts/confirm.html", "parts/_confirm.html", title="Cancel delivery?", url=url_for("sending.cancel", delivery_id=row.id),
        text=f"{row.recipient} will not get “{row.subject or 'this mail'}”. Other recipients of the same mail are not touched.",
        milder="" if row.state == "held" else "Holding keeps it here until you release it.", button="Cancel delivery",
        cancel=url_for("sending.show", delivery_id=row.id),
        keep="Keep it",
    )  # fmt: skip


@bp.post("/queue/<int:delivery_id>/retry")
@needs("deliveries:write")
def retry(delivery_id: int) -> Response:
    return _act("retry", delivery_id)


@bp.post("/queue/<int:delivery_id>/hold")
@needs("deliveries:write")
def hold(delivery_id: int) -> Response:
    return _act("hold", delivery_id)


@bp.post("/queue/<int:delivery_id>/release")
@needs("deliveries:write")
def release(delivery_id: int) -> Response:
    return _act("release", delivery_id)


@bp.post("/queue/<int:delivery_id>/cancel")
@needs("deliveries:write")
def cancel(delivery_id: int) -> Response:
    return _act("cancel", delivery_id)


def _act(verb: str, delivery_id: int) -> Response:
    """Do it and go back to the delivery."""
    steps = {"retry": service.retry, "hold": service.hold, "release": service.release, "cancel": service.cancel}
    row = steps[verb](current_actor(), delivery_id)
    return made(go_to=url_for("sending.show", delivery_id=row.id), trigger="deliveries-changed", toast=f"{row.recipient}: {DONE[verb]}.")

