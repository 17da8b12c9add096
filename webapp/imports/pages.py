"""/contacts/imports: upload, say what the columns are, look at what would happen, run, follow, undo."""

from typing import Any, BinaryIO, cast

from flask import Blueprint, Flask, Response, request, url_for
from sqlalchemy import select

from webapp.accounts.forms import add_errors
from webapp.audit import service as audit
from webapp.contacts import field_values, groups
from webapp.contacts.models import ContactGroup, Tag
from webapp.core import menu
from webapp.core.access import current_actor, needs
from webapp.core.db import db, utcnow
from webapp.core.errors import HouseError
from webapp.core.htmx import redirect_to, render
from webapp.core.paging import PageRequest
from webapp.imports import files, forms, service
from webapp.imports.models import ContactImport
from webapp.imports.schemas import ContactImportOut, present

bp = Blueprint("imports", __name__)
PER_PAGE = 25
#: state -> the word of the house's table of states
STATES = {
    "draft": "draft", "previewing": "checking", "previewed": "waiting", "queued": "queued", "running": "importing", "paused": "paused",
    "finished": "imported", "failed": "failed", "cancelled": "cancelled", "undoing": "processing", "undone": "undone",
}  # fmt: skip
EARLY = ("draft", "previewing", "previewed")


@bp.get("/contacts/imports")
@needs("contacts:read")
def list_page() -> Response:
    """Imports, newest first."""
    asked = PageRequest(per_page=PER_PAGE, cursor=request.args.get("cursor") or None)
    page = service.list_imports(current_actor(), asked)
    older = url_for(".list_page", cursor=page.next_cursor) if page.next_cursor else None
    return render("imports/list.html", "imports/_rows.html", page=page, states=STATES, older=older,
                  newest=url_for(".list_page") if asked.cursor else None, may=current_actor().may("contacts:write"))  # fmt: skip


@bp.route("/contacts/imports/new", methods=["GET", "POST"])
@needs("contacts:write")
def new_page() -> Any:
    """Take a file; the columns come next."""
    form = forms.UploadForm()
    if form.validate_on_submit():
        file: Any = form.file.data
        try:
            if file is None or not file.filename:
                form.file.errors = ["Choose a CSV or XLSX file."]
            else:
                stream = cast(BinaryIO, file.stream)
                job = service.create_import(current_actor(), stream, file.filename, state="draft", encoding=form.encoding.data or None)
                return redirect_to(url_for(".columns_page", import_id=job.id))
        except HouseError as refused:
            db.session.rollback()
            add_errors(form, refused, spare="file")
    return render("imports/new.html", status=422 if form.errors else 200, form=form)


new_page.takes_file = True  # type: ignore[attr-defined]


@bp.route("/contacts/imports/<int:import_id>/columns", methods=["GET", "POST"])
@needs("contacts:write")
def columns_page(import_id: int) -> Any:
    """Which column is what, and what happens with people who are there already."""
    actor = current_actor()
    job = service.get_import(actor, import_id)
    if job.state not in EARLY:
        return redirect_to(url_for(".show_page", import_id=job.id))
    form = forms.ColumnsForm()
    form.fill(job, _tag_names(job), groups.list_groups(actor))
    asked = None
    if request.method == "POST":
        titles = job.shape["titles"]
        settings = form.settings(titles)
        asked = dict(settings.mapping or {})
        if form.validate():
            try:
                service.change_import(actor, job.id, settings)
                return redirect_to(url_for(".show_page", import_id=job.id))
            except HouseError as refused:
                db.session.rollback()
                job = service.get_import(actor, import_id)
                form.form_errors = [text for texts in (refused.fields or {"": [refused.message]}).values() for text in texts]
    custom = field_values.of_workspace(actor.workspace_id)
    return render(
        "imports/columns.html", status=422 if form.errors else 200, job=job, form=form, targets=forms.targets(custom),
        rows=forms.rows_of(job, asked),
    )  # fmt: skip


def _tag_names(job: ContactImport) -> list[str]:
    query = select(Tag.name).where(Tag.workspace_id == job.workspace_id, Tag.id.in_(job.tag_ids)).order_by(Tag.id)
    return list(db.session.scalars(query))


def _group_names(job: ContactImport) -> list[str]:
    mine = ContactGroup.workspace_id == job.workspace_id, ContactGroup.id.in_(job.group_ids)
    return list(db.session.scalars(select(ContactGroup.name).where(*mine).order_by(ContactGroup.id)))


@bp.get("/contacts/imports/<int:import_id>")
@needs("contacts:read")
def show_page(import_id: int) -> Response:
    """One import: what it would do, how far it is, what it did."""
    actor = current_actor()
    job = service.get_import(actor, import_id)
    done, rate, left = service.progress(job)
    return render(
        "imports/show.html", "imports/_import.html", job=job, states=STATES, rate=rate, left=_in_words(left), now=utcnow(),
        about=_about(job.position, done),
        problems=service.first_problems(actor, job.id) if job.failed else [], tags=_tag_names(job), groups=_group_names(job),
        kept=service.first_problems(actor, job.id, kind="undo") if job.left_alone else [], may=actor.may("contacts:write"),
        may_undo=service.may_undo(job), may_delete=actor.may("contacts:delete"), may_audit=actor.may("audit:read"),
        activity=audit.story_of(actor, "import", job.id), answer={"data": ContactImportOut().dump(present(job))},
        live=job.state in ("previewing", "queued", "running", "undoing"), early=job.state in EARLY,
    )  # fmt: skip


def _about(position: int, done: float | None) -> int:
    """How many rows there may be, as the part of the file tells that is done."""
    return max(position, int(round(position / done, -2 if position > 1000 else 0))) if done and position else max(1, position)


def _in_words(seconds: int | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:
        return "less than a minute left"
    minutes = round(seconds / 60)
    return f"about {minutes:,} min left" if minutes < 120 else f"about {round(minutes / 60):,} h left"


@bp.get("/contacts/imports/<int:import_id>/errors.csv")
@needs("contacts:read")
def errors_file(import_id: int) -> Response:
    """The refused rows."""
    return files.problems_of(current_actor(), import_id)


@bp.get("/contacts/imports/<int:import_id>/left.csv")
@needs("contacts:read")
def left_file(import_id: int) -> Response:
    """The contacts that undoing left as they were."""
    return files.problems_of(current_actor(), import_id, "undo")


@bp.post("/contacts/imports/<int:import_id>/start")
@needs("contacts:write")
def start(import_id: int) -> Response:
    """Run it."""
    job = service.start_import(current_actor(), import_id)
    return redirect_to(url_for(".show_page", import_id=job.id))


@bp.post("/contacts/imports/<int:import_id>/pause")
@needs("contacts:write")
def pause(import_id: int) -> Response:
    """Stop after the batch at hand."""
    job = service.pause_import(current_actor(), import_id)
    return redirect_to(url_for(".show_page", import_id=job.id))


@bp.post("/contacts/imports/<int:import_id>/resume")
@needs("contacts:write")
def resume(import_id: int) -> Response:
    """Go on."""
    job = service.resume_import(current_actor(), import_id)
    return redirect_to(url_for(".show_page", import_id=job.id))


@bp.get("/contacts/imports/<int:import_id>/cancel")
@needs("contacts:write")
def ask_cancel(import_id: int) -> Response:
    """The confirmation."""
    job = service.get_import(current_actor(), import_id)
    came = job.created + job.updated
    text = f"{came:,} contacts that came in or changed so far stay; undo takes them back." if came else "Nobody came in so far."
    return render(
        "parts/confirm.html", "parts/_confirm.html", title="Cancel import?", url=url_for(".cancel", import_id=job.id), text=text,
        milder="Pause it instead to go on later.", button="Cancel import", cancel=url_for(".show_page", import_id=job.id), keep="Keep it",
    )  # fmt: skip


@bp.post("/contacts/imports/<int:import_id>/cancel")
@needs("contacts:write")
def cancel(import_id: int) -> Response:
    """End it."""
    job = service.cancel_import(current_actor(), import_id)
    return redirect_to(url_for(".show_page", import_id=job.id), toast="The import is cancelled")


@bp.get("/contacts/imports/<int:import_id>/undo")
@needs("contacts:delete")
def ask_undo(import_id: int) -> Response:
    """What undoing would do, before it does."""
    actor = current_actor()
    job = service.get_import(actor, import_id)
    return render("imports/undo.html", job=job, effect=service.undo_effect(actor, import_id), may_undo=service.may_undo(job),
                  why_not=service.why_not(job), states=STATES)  # fmt: skip


@bp.post("/contacts/imports/<int:import_id>/undo")
@needs("contacts:delete")
def undo(import_id: int) -> Response:
    """Undo it."""
    job = service.undo_import(current_actor(), import_id)
    return redirect_to(url_for(".show_page", import_id=job.id), toast="The import is being undone")


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    menu.add("People", "Imports", "imports.list_page", scope="contacts:read", order=60)
