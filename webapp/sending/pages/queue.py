"""/queue: where each recipient of each mail stands, why, and what can be done about it."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for

from webapp.audit import service as audit
from webapp.core.access import current_actor, needs
from webapp.core.actor import Actor
from webapp.core.db import database_now
from webapp.core.htmx import made, render
from webapp.core.paging import PageRequest
from webapp.core.wording import span
from webapp.sending import attempts, barring, listing, picking, service, ways
from webapp.sending.models import STATES, Attempt
from webapp.sending.picking import read_filters
from webapp.sending.steps import STEPS
from webapp.sending.why import why
from webapp.standstill import service as standstill

bp = Blueprint("sending", __name__)
PER_PAGE = 25
#: buttons: verb -> (label, icon)
BUTTONS = {verb: (step.label, step.icon) for verb, step in STEPS.items()}
#: steps that ask first
ASKING = ("cancel", "treat_as_sent", "send_again")
#: who made a mail, in words
KINDS = {
    "api": "a person or a program", "smtp": "an SMTP login", "forward": "a route that forwards", "auto_reply": "an automatic answer",
    "system": "Mailroom itself",
}  # fmt: skip
DONE = {
    "retry": "goes out now", "hold": "held until you release it", "release": "released, goes out now",
    "cancel": "cancelled; it is not sent any more", "treat_as_sent": "treated as sent", "send_again": "goes out once more",
}  # fmt: skip
AGES = [("", "Any age"), ("1", "Older than 1 hour"), ("4", "Older than 4 hours"), ("24", "Older than 1 day"), ("72", "Older than 3 days")]
LANES = [("", "Both streams"), ("transactional", "Transactional"), ("bulk", "Bulk")]
#: names of the filters in the address
NAMES = ("state", "q", "message_id", "mailbox", "domain", "stream", "older_h", "cursor")


@bp.get("/queue")
@needs("deliveries:read")
def queue() -> Response:
    """The list, filtered by state, recipient, domain, stream and age."""
    actor = current_actor()
    filters = read_filters(request.args)
    asked = PageRequest(per_page=PER_PAGE, cursor=request.args.get("cursor") or None)
    page = service.list_deliveries(actor, asked, {name: value for name, value in filters.items() if value is not None})
    now = database_now()
    kept = {name: request.args[name] for name in ("state", "message_id", "mailbox", "domain") if request.args.get(name)}
    context: dict[str, Any] = {
        "page": page, "kept": kept, "q": filters["recipient"] or "",
        "rows": [{"row": row, "why": why(row, now, standstill.stands()), "steps": service.possible_steps(row)} for row in page.items],
        "chips": _chips(actor, filters), "older": _link(cursor=page.next_cursor) if page.next_cursor else None,
        "newest": _link(cursor=None) if asked.cursor else None, "notice": ways.platform().notice, "labels": BUTTONS, "asking": ASKING,
        "may_write": actor.may("deliveries:write"), "may_send": actor.may("messages:send"), "selects": _selects(),
        "filtered": any(filters.values()), "figures": _figures(actor, now), "actions": picking.ACTIONS, "domain": filters["domain"],
    }  # fmt: skip
    return render("sending/list.html", "sending/_rows.html", **context)


def _selects() -> list[dict[str, Any]]:
    return [
        {"name": "stream", "label": "Stream", "options": LANES, "value": request.args.get("stream", "")},
        {"name": "older_h", "label": "Age", "options": AGES, "value": request.args.get("older_h", "")},
    ]


def _figures(actor: Actor, now: datetime) -> list[dict[str, Any]]:
    """What waits, how long, and what needs somebody."""
    numbers = service.counts(actor)
    oldest = listing.oldest_waiting(actor)
    waiting = numbers["queued"] + numbers["leased"] + numbers["deferred"]
    return [
        {"name": "Waiting", "value": waiting, "note": f"{numbers['deferred']:,} deferred", "url": url_for("sending.destinations")},
        {"name": "Oldest waiting", "value": span((now - oldest).total_seconds()) if oldest else "none", "note": "since it was accepted"},
        {"name": "In doubt", "value": numbers["uncertain"], "tone": "warn" if numbers["uncertain"] else "",
         "note": "the answer was lost", "url": _only("uncertain")},
        {"name": "Held", "value": numbers["held"], "note": "until they are released", "url": _only("held")},
    ]  # fmt: skip


def _only(state: str) -> str:
    return url_for("sending.queue", state=state)


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
    kept: dict[str, Any] = {name: request.args[name] for name in NAMES if request.args.get(name)}
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
        "row": row, "why": why(row, now, standstill.stands()), "steps": service.possible_steps(row), "labels": BUTTONS,
        "kind_words": KINDS, "asking": ASKING,
        "notice": ways.platform().notice, "list_says": _list_says(actor, row), "may_see_list": actor.may("suppressions:read"),
        "attempts": [_attempt(attempt) for attempt in reversed(attempts.of(delivery_id))],
        "activity": audit.story_of(actor, "delivery", delivery_id), "may_read": actor.may("messages:read"),
        "may_write": actor.may("deliveries:write"), "may_audit": actor.may("audit:read"),
        "answer": {"data": {"id": row.id, "recipient": row.recipient, "state": row.state, "why": why(row, now, standstill.stands())}},
    }  # fmt: skip


def _list_says(actor: Actor, row: listing.Shown) -> str:
    """Of a refused recipient, what the suppression list has to do with it; empty where it has nothing to do with it."""
    if row.state not in ("bounced", "suppressed"):
        return ""
    if barring.at_submit(actor.workspace_id, [row.recipient], row.stream, row.kind):
        on_it = "The address is on the suppression list now. " if row.state == "bounced" else ""
        return f"{on_it}Reactivate it there before you send again."
    return "" if row.state == "bounced" else "The address is not on the list any more, so the mail can be sent now."


def _attempt(attempt: Attempt) -> dict[str, Any]:
    """One attempt as the shared part `attempts` paints it."""
    states = {"retry": "deferred", "failed": "bounced"}
    answer = f"{attempt.host}: {attempt.text}" if attempt.host else attempt.text
    return {
        "number": attempt.number, "state": states.get(attempt.outcome, attempt.outcome), "at": attempt.at, "summary": answer,
        "dialogue": "\n".join(attempt.dialogue), "ms": round(attempt.seconds * 1000) if attempt.seconds else None,
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


@bp.get("/queue/<int:delivery_id>/treat-as-sent")
@needs("deliveries:write")
def ask_treat_as_sent(delivery_id: int) -> Response:
    """The confirmation, with what may happen."""
    return _ask(delivery_id, "treat_as_sent", "Treat it as sent?", "Keep it in doubt")


@bp.get("/queue/<int:delivery_id>/send-again")
@needs("deliveries:write")
def ask_send_again(delivery_id: int) -> Response:
    """The confirmation, with what may happen."""
    return _ask(delivery_id, "send_again", "Send it again?", "Do not send")


def _ask(delivery_id: int, verb: str, title: str, keep: str) -> Response:
    row, step = service.get_delivery(current_actor(), delivery_id), STEPS[verb]
    text = f"Nobody knows whether {row.recipient} got \u201c{row.subject or 'this mail'}\u201d. {step.effect}"
    return render(
        "parts/confirm.html", "parts/_confirm.html", title=title, url=url_for(f"sending.{verb}", delivery_id=row.id), text=text,
        button=step.label, cancel=url_for("sending.show", delivery_id=row.id), keep=keep, tone="primary",
    )  # fmt: skip


@bp.post("/queue/<int:delivery_id>/treat-as-sent")
@needs("deliveries:write")
def treat_as_sent(delivery_id: int) -> Response:
    return _act("treat_as_sent", delivery_id)


@bp.post("/queue/<int:delivery_id>/send-again")
@needs("deliveries:write")
def send_again(delivery_id: int) -> Response:
    return _act("send_again", delivery_id)


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
    row = service.step(current_actor(), delivery_id, verb)
    return made(go_to=url_for("sending.show", delivery_id=row.id), trigger="deliveries-changed", toast=f"{row.recipient}: {DONE[verb]}.")
