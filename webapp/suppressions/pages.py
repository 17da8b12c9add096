"""/suppressions: who gets no mail, why, and how that ends."""

from typing import Any

from flask import Blueprint, Flask, Response, request, url_for

from webapp.accounts.forms import add_errors
from webapp.audit import service as audit
from webapp.core import menu
from webapp.core.access import current_actor, needs
from webapp.core.db import db
from webapp.core.errors import HouseError, Invalid
from webapp.core.htmx import made, redirect_to, render
from webapp.core.paging import PageRequest
from webapp.suppressions import service, transfer
from webapp.suppressions.forms import MOST_TEXT, REASON_WORDS, SCOPE_WORDS, ImportForm, SuppressionForm
from webapp.suppressions.models import REASONS, SCOPES, Suppression
from webapp.suppressions.schemas import SuppressionOut

bp = Blueprint("suppressions", __name__)
PER_PAGE = 25
SOURCE_WORDS = {
    "smtp": "a server refused it", "report": "a report came back", "feedback": "a feedback loop", "repeated": "repeated soft bounces",
    "unsubscribe": "the unsubscribe link", "page": "a person", "api": "a program", "import": "an import",
}  # fmt: skip
WORDS: Any = {"reasons": REASON_WORDS, "scopes": SCOPE_WORDS, "sources": SOURCE_WORDS}


@bp.get("/suppressions")
@needs("suppressions:read")
def list_page() -> Response:
    """The list, filtered by address, reason and scope."""
    actor = current_actor()
    filters = _filters()
    asked = PageRequest(per_page=PER_PAGE, cursor=request.args.get("cursor") or None)
    page = service.list_suppressions(actor, asked, filters)
    kept = {name: value for name, value in filters.items() if value and name != "address"}
    return render(
        "suppressions/list.html", "suppressions/_rows.html", page=page, q=filters["address"] or "", kept=kept, **WORDS,
        may_write=actor.may("suppressions:write"), older=_link(cursor=page.next_cursor) if page.next_cursor else None,
        newest=_link(cursor=None) if asked.cursor else None, export_url=url_for(".export_file", **_kept(cursor=None)),
    )  # fmt: skip


def _filters() -> dict[str, Any]:
    reason, scope = request.args.get("reason"), request.args.get("scope")
    return {
        "address": request.args.get("q", "").strip()[:254] or None, "reason": reason if reason in REASONS else None,
        "scope": scope if scope in SCOPES else None,
    }  # fmt: skip


def _kept(**changes: str | None) -> dict[str, Any]:
    kept: dict[str, Any] = {name: request.args[name] for name in ("q", "reason", "scope", "cursor") if request.args.get(name)}
    return {name: value for name, value in {**kept, **changes}.items() if value}


def _link(**changes: str | None) -> str:
    return url_for("suppressions.list_page", **_kept(**changes))


@bp.get("/suppressions/export.csv")
@needs("suppressions:read")
def export_file() -> Response:
    """The list as a file."""
    return transfer.export(current_actor(), _filters())


@bp.route("/suppressions/new", methods=["GET", "POST"])
@needs("suppressions:write")
def new_page() -> Any:
    """Suppress one address."""
    form = SuppressionForm()
    if request.method == "GET":
        form.address.data = request.args.get("address", "")[:254]
    if form.validate_on_submit():
        try:
            row = service.create_suppression(
                current_actor(), address=form.address.data, reason=form.reason.data, scope=form.scope.data, note=form.note.data or None,
                source="page",
            )  # fmt: skip
            return redirect_to(url_for(".show_page", suppression_id=row.id), toast=f"{row.address} gets no mail any more")
        except HouseError as refused:
            db.session.rollback()
            add_errors(form, refused, spare="address")
    return render("suppressions/new.html", status=422 if form.errors else 200, form=form)


@bp.route("/suppressions/import", methods=["GET", "POST"])
@needs("suppressions:write")
def import_page() -> Any:
    """Suppress many addresses: lines or a file, a look at what would happen, then the import."""
    form, seen = ImportForm(), None
    if form.validate_on_submit():
        try:
            form.lines.data = form.text()
            if len(form.lines.data) > MOST_TEXT:
                raise Invalid("The file is larger than 1 MB.", fields={"file": ["The file is larger than 1 MB. Send it by API."]})
            now = bool(request.form.get("import"))
            seen = transfer.import_file(current_actor(), form.lines.data.encode(), preview=not now)
            if now:
                left_out = f", {seen.wrong:,} rows were left out" if seen.wrong else ""
                return redirect_to(url_for(".list_page"), toast=f"{seen.new:,} added, {seen.known:,} were there already{left_out}")
        except Invalid as refused:
            db.session.rollback()
            add_errors(form, refused, spare="lines")
    return render("suppressions/import.html", status=422 if form.errors else 200, form=form, seen=seen)


@bp.get("/suppressions/<int:suppression_id>")
@needs("suppressions:read")
def show_page(suppression_id: int) -> Response:
    """One row: why the address is on the list, what caused it, and who did what about it."""
    actor = current_actor()
    row = service.get_suppression(actor, suppression_id)
    return render(
        "suppressions/show.html", row=row, others=service.others(row), **WORDS, may_write=actor.may("suppressions:write"),
        may_audit=actor.may("audit:read"), activity=audit.story_of(actor, "suppression", row.id),
        answer={"data": SuppressionOut().dump(row)},
    )  # fmt: skip


@bp.get("/suppressions/<int:suppression_id>/reactivate")
@needs("suppressions:write")
def ask_reactivate(suppression_id: int) -> Response:
    """The confirmation."""
    row = service.get_suppression(current_actor(), suppression_id)
    return render(
        "parts/confirm.html", "parts/_confirm.html", title="Reactivate address?", url=url_for(".reactivate", suppression_id=row.id),
        text=_warning(row), milder=_still(row), button="Reactivate address", cancel=url_for(".show_page", suppression_id=row.id),
        keep="Keep it",
    )  # fmt: skip


def _warning(row: Suppression) -> str:
    who = row.address or service.ERASED.capitalize()
    why = {
        "hard_bounce": "Its server said that it does not exist. If that is still so, it bounces again and comes back on the list.",
        "complaint": "The person called your mail spam. Mail them again only if they asked for it; complaints hurt all of your mail.",
        "unsubscription": "The person does not want this mail. Mail them again only if they asked for it.",
        "manual": "Somebody put it on the list by hand.",
    }[row.reason]
    return f"{who} gets mail again. {why}"


def _still(row: Suppression) -> str:
    left = ", ".join(REASONS[other.reason] for other in service.others(row))
    return f"Another reason stands, so it still gets no mail: {left}." if left else ""


@bp.post("/suppressions/<int:suppression_id>/reactivate")
@needs("suppressions:write")
def reactivate(suppression_id: int) -> Response:
    """Take the row off the list."""
    row = service.reactivate(current_actor(), suppression_id)
    return made(go_to=url_for(".list_page"), trigger="suppressions-changed", toast=f"{row.address or 'The address'} is off the list")


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    menu.add("Send", "Suppressions", "suppressions.list_page", scope="suppressions:read", order=85)
