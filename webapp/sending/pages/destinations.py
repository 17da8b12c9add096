"""/queue/destinations: where mail waits, why, and putting a domain or a mailbox on hold."""

from typing import Any

from flask import Response, request, url_for

from webapp.core.access import current_actor, needs
from webapp.core.db import database_now
from webapp.core.errors import Invalid
from webapp.core.htmx import made, render
from webapp.sending import day, destination_view, holding_back, ways
from webapp.sending.pages.queue import bp

#: domains on the page
MOST = 50


@bp.get("/queue/destinations")
@needs("deliveries:read")
def destinations() -> Response:
    """The domains for which most mail waits, what is on hold, and the last 24 hours."""
    return _page()


def _page(problem: Invalid | None = None, status: int = 200, **typed: str) -> Response:
    actor = current_actor()
    found = destination_view.top(actor, MOST)
    context: dict[str, Any] = {
        "found": found, "holds": [{"row": hold, "name": name} for hold, name in holding_back.all_holds(actor)],
        "chart": day.last_day(actor), "now": database_now(), "notice": ways.platform().notice, "may_write": actor.may("deliveries:write"),
        "problem": problem, "typed": typed or {"domain": request.args.get("domain", "")[:253], "reason": ""},
    }  # fmt: skip
    return render("sending/destinations.html", "sending/_destinations.html", status=status, **context)


@bp.post("/queue/holds")
@needs("deliveries:write")
def add_hold() -> Response:
    """Put a domain on hold."""
    domain, reason = request.values.get("domain", "").strip()[:253], request.values.get("reason", "").strip()[:200]
    try:
        row = holding_back.hold(current_actor(), domain=domain, reason=reason)
    except Invalid as refused:
        return _page(refused, status=422, domain=domain, reason=reason)
    toast = f"{row.domain} is on hold; nothing leaves for it."
    return made(go_to=url_for("sending.destinations"), trigger="deliveries-changed", toast=toast)


@bp.get("/queue/holds/<int:hold_id>/lift")
@needs("deliveries:write")
def ask_lift(hold_id: int) -> Response:
    """The confirmation."""
    row = holding_back.get_hold(current_actor(), hold_id)
    name = holding_back.name_of(row)
    return render(
        "parts/confirm.html", "parts/_confirm.html", title=f"Lift the hold of {name}?", url=url_for("sending.lift_hold", hold_id=row.id),
        text="Everything that it kept back goes out, as fast as the servers take it.", button="Lift hold", tone="primary",
        cancel=url_for("sending.destinations"), keep="Keep it on hold",
    )  # fmt: skip


@bp.post("/queue/holds/<int:hold_id>/lift")
@needs("deliveries:write")
def lift_hold(hold_id: int) -> Response:
    answer = holding_back.lift(current_actor(), hold_id)
    return made(go_to=url_for("sending.destinations"), trigger="deliveries-changed", toast=answer["message"])
