"""/campaigns: all of them, a new one, copies, the way into the trash."""

from typing import Any

from flask import Response, request, url_for

from webapp.accounts.forms import add_errors
from webapp.campaigns import accounts, numbers, service
from webapp.campaigns.forms import NewForm
from webapp.campaigns.models import STATES
from webapp.campaigns.pages.base import bp, in_words
from webapp.campaigns.starts import STARTS
from webapp.core.access import current_actor, needs
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import HouseError
from webapp.core.htmx import redirect_to, render
from webapp.core.paging import PageRequest

PER_PAGE = 25


@bp.get("/campaigns")
@needs("campaigns:read")
def list_page() -> Response:
    """The list, filtered by state and words."""
    actor = current_actor()
    state = request.args.get("status")
    filters = {"status": state if state in STATES else None, "search": request.args.get("q", "").strip()[:200] or None}
    number = request.args.get("page", 1, int)
    page = service.list_campaigns(actor, PageRequest(page=max(1, min(number, 10_000)), per_page=PER_PAGE), filters)
    counts = service.count_states(actor)
    return render(
        "campaigns/list.html", "campaigns/_rows.html", page=page, q=filters["search"] or "", state=filters["status"],
        numbers=numbers.read(page.items), chips=_chips(counts, filters["status"]), newer=_link(page=number - 1) if number > 1 else None,
        older=_link(page=number + 1) if page.has_more else None, may_write=actor.may("campaigns:write"), now=utcnow(),
        has_any=sum(counts.values()) > 0, in_words=in_words,
    )  # fmt: skip


def _chips(counts: dict[str, int], chosen: str | None) -> list[dict[str, Any]]:
    """One for all, and one for each state that occurs or is chosen."""
    chips = [{"label": "All", "url": _link(status=None, page=None), "count": sum(counts.values()), "current": chosen is None}]
    for state in STATES:
        if counts[state] or state == chosen:
            url = _link(status=state, page=None)
            chips.append({"label": state.capitalize(), "url": url, "count": counts[state], "current": state == chosen})
    return chips


def _link(**changes: Any) -> str:
    kept: dict[str, Any] = {name: request.args[name] for name in ("status", "q", "page") if request.args.get(name)}
    return url_for("campaigns.list_page", **{name: value for name, value in {**kept, **changes}.items() if value and value != 1})


@bp.route("/campaigns/new", methods=["GET", "POST"])
@needs("campaigns:write")
def new_page() -> Any:
    """The first few words; the rest is written in the editor."""
    actor = current_actor()
    form = NewForm()
    offered = accounts.usable(actor)
    form.offer(offered)
    if form.validate_on_submit():
        try:
            row = service.create_campaign(actor, **_first(actor, form, offered))
            return redirect_to(url_for(".edit_page", campaign_id=row.id))
        except HouseError as refused:
            db.session.rollback()
            add_errors(form, refused, spare="name")
    return render("campaigns/new.html", status=422 if form.errors else 200, form=form, has_accounts=bool(offered))


def _first(actor: Actor, form: NewForm, offered: list[accounts.Account]) -> dict[str, Any]:
    """What a new campaign begins with: the letter that was chosen, and the account as its sender."""
    account = next((one for one in offered if one.id == form.mailbox_id.data), None)
    start = STARTS.get(form.start.data or "", STARTS["empty"])
    sender = {"mailbox_id": account.id, "from_email": account.email, "from_name": account.name} if account else {}
    return {"name": form.name.data, "body_html": start.body, "body_format": start.format, **sender}


@bp.post("/campaigns/<int:campaign_id>/duplicate")
@needs("campaigns:write")
def duplicate(campaign_id: int) -> Response:
    """A draft with the same letter and audience; its editor opens."""
    row = service.duplicate_campaign(current_actor(), campaign_id)
    return redirect_to(url_for(".edit_page", campaign_id=row.id), toast=f"“{row.name}” is a draft now")


@bp.get("/campaigns/<int:campaign_id>/delete")
@needs("campaigns:write")
def ask_delete(campaign_id: int) -> Response:
    """The confirmation."""
    row = service.get_campaign(current_actor(), campaign_id)
    waiting = numbers.read([row])[row.id]["waiting"]
    text = f"“{row.name}” goes to the trash and can be restored for 30 days."
    if row.state == "paused":
        text += f" It is cancelled by that: {waiting:,} people who wait will not get it, also when it is restored."
    elif row.state == "scheduled":
        text += " It is not sent at its time; restored, it is a draft."
    elif row.started_at is not None:
        text += " Its figures go along; who got it stays in the sending log. Counted links in mail that was sent lead on for these 30 days;"
        text += " its view in the browser ends, and unsubscribing always works."
    return render(
        "parts/confirm.html", "parts/_confirm.html", title="Delete campaign?", url=url_for(".delete", campaign_id=row.id), text=text,
        milder="A paused campaign can go on later." if row.state == "paused" else "", button="Delete campaign",
        cancel=url_for(".show_page", campaign_id=row.id), keep="Keep it",
    )  # fmt: skip


@bp.post("/campaigns/<int:campaign_id>/delete")
@needs("campaigns:write")
def delete(campaign_id: int) -> Response:
    """To the trash."""
    row = service.delete_campaign(current_actor(), campaign_id)
    undo = url_for("trash.restore", kind="campaign", row_id=row.id) if current_actor().may("trash:write") else None
    return redirect_to(url_for(".list_page"), toast=f"“{row.name}” is in the trash", undo=undo)
