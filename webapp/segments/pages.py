"""/segments: the list, one segment with some of its contacts, and the builder, which works without script and counts while one builds."""

from typing import Any

from flask import Blueprint, Flask, Response, request, url_for

from webapp.audit import service as audit
from webapp.contacts.models import Contact
from webapp.core import counters, menu
from webapp.core.access import current_actor, needs
from webapp.core.db import begin_reading, db
from webapp.core.errors import HouseError, InUse, Invalid
from webapp.core.htmx import redirect_to, render
from webapp.core.paging import PageRequest
from webapp.segments import campaigns, counting, draft, service, words
from webapp.segments.choices import Choices
from webapp.segments.draft import Draft
from webapp.segments.examples import EXAMPLES
from webapp.segments.models import Segment
from webapp.segments.schemas import SegmentCounted

bp = Blueprint("segments", __name__)
PER_PAGE = 25
SHOWN = (Contact.id, Contact.name, Contact.email, Contact.company, Contact.created_at)


@bp.get("/segments")
@needs("contacts:read")
def list_page() -> Response:
    """All segments by name, each with its conditions in words."""
    actor = current_actor()
    typed = request.args.get("page", "1")
    asked = PageRequest(page=int(typed) if typed.isdecimal() and 0 < len(typed) < 5 and int(typed) else 1, per_page=PER_PAGE)
    q = request.args.get("q", "").strip()[:120]
    page = service.list_segments(actor, asked, {"search": q})
    names = words.names_of(actor.workspace_id, [service.tree_of(row) for row in page.items])
    said = {row.id: words.sentence(service.tree_of(row), names) for row in page.items}
    here = page.page or 1
    return render(
        "segments/list.html", "segments/_rows.html", page=page, q=q, said=said, examples=EXAMPLES.values(),
        may_write=actor.may("contacts:write"), may_delete=actor.may("contacts:delete"), any=bool(page.items or q or here > 1),
        newer=url_for(".list_page", q=q or None, page=here - 1) if here > 1 else None,
        older=url_for(".list_page", q=q or None, page=here + 1) if page.has_more else None,
    )  # fmt: skip


@bp.get("/segments/<int:segment_id>/count")
@needs("contacts:read")
def count_part(segment_id: int) -> Response:
    """How many contacts it chooses now, for a cell of the list."""
    row = service.get_segment(current_actor(), segment_id)
    return render("segments/_number.html", found=service.count_segment(row))


@bp.get("/segments/<int:segment_id>")
@needs("contacts:read")
def show_page(segment_id: int) -> Response:
    """One segment: what it asks, how many it chooses now, and ten of them."""
    actor = current_actor()
    row = service.get_counted(actor, segment_id)
    tree = service.tree_of(row)
    return render(
        "segments/show.html", "segments/_chosen.html", row=row, tree=tree, **_found(tree, row.found),
        names=words.names_of(actor.workspace_id, [tree]), said=words.condition, using=campaigns.asking(actor.workspace_id, row.id),
        may_write=actor.may("contacts:write"), may_delete=actor.may("contacts:delete"), may_audit=actor.may("audit:read"),
        activity=audit.story_of(actor, "segment", row.id), answer={"data": SegmentCounted().dump(row)},
    )  # fmt: skip


def _found(tree: dict[str, Any], found: counting.Count) -> dict[str, Any]:
    workspace_id = current_actor().workspace_id
    return {
        "found": found, "total": counters.read(workspace_id, Contact.__tablename__),
        "some": counting.sample(workspace_id, tree, SHOWN, found) if found.count or not found.is_exact else [],
    }  # fmt: skip


@bp.route("/segments/new", methods=["GET", "POST"])
@needs("contacts:write")
def new_page() -> Any:
    """A new segment, from nothing or from an example."""
    example = EXAMPLES.get(request.args.get("example", ""))
    start = draft.of_tree(example.tree, example.name, example.text) if example else Draft()
    if example is None:
        start.apply("add")
    return _builder(None, start)


@bp.route("/segments/<int:segment_id>/edit", methods=["GET", "POST"])
@needs("contacts:write")
def edit_page(segment_id: int) -> Any:
    """The builder over a segment that is there."""
    row = service.get_segment(current_actor(), segment_id)
    return _builder(row, draft.of_tree(service.tree_of(row), row.name, row.description))


def _builder(row: Segment | None, start: Draft) -> Any:
    """The form: shown, changed by one of its buttons, or saved."""
    if request.method == "GET":
        return _form(row, start)
    given = draft.read(request.form)
    do = request.form.get("do", "save")
    if do != "save":
        given.apply(do)
        return _form(row, given, quiet=True)
    fields = words.fields_of(current_actor().workspace_id)
    try:
        values = {"name": given.name, "description": given.description or None, **given.tree(fields)}
        if row is None:
            saved = service.create_segment(current_actor(), **values)
        else:
            saved = service.update_segment(current_actor(), row.id, values)
        return redirect_to(url_for(".show_page", segment_id=saved.id), toast=f"Segment “{saved.name}” is saved")
    except HouseError as refused:
        db.session.rollback()
        given.refused(refused.fields or {"name": [refused.message]})
    return _form(row, given, status=422)


def _form(row: Segment | None, given: Draft, *, status: int = 200, quiet: bool = False) -> Response:
    """The page of the builder. quiet: a condition that is not filled in yet is no fault"""
    workspace_id = current_actor().workspace_id
    fields = words.fields_of(workspace_id)
    url = url_for(".edit_page", segment_id=row.id) if row else url_for(".new_page")
    return render(
        "segments/edit.html", "segments/_builder.html", status=status, url=url, row=row, draft=given, examples=EXAMPLES.values(),
        pick=Choices(workspace_id, fields, given), body=_body(given, fields), **_preview(given, fields),
    )  # fmt: skip


def _body(given: Draft, fields: Any) -> dict[str, Any]:
    """The same over the API."""
    return {"name": given.name or "Inactive customers", **given.tree(fields)}


@bp.post("/segments/preview")
@needs("contacts:read")
def preview_part() -> Response:
    """What the form as it stands would choose."""
    given = draft.read(request.form)
    return render("segments/_preview.html", **_preview(given, words.fields_of(current_actor().workspace_id)))


def _preview(given: Draft, fields: Any) -> dict[str, Any]:
    """How many and some of them; `found` is None while something is missing."""
    workspace_id = current_actor().workspace_id
    try:
        tree = service.read_tree(workspace_id, given.tree(fields))
    except Invalid as wrong:
        return {"found": None, "some": [], "total": 0, "problem": next(iter(wrong.fields.values()))[0]}
    db.session.commit()  # nothing was changed: whoever writes does not wait while this counts
    begin_reading()
    return {**_found(tree, counting.count(workspace_id, tree)), "problem": None}


@bp.get("/segments/<int:segment_id>/delete")
@needs("contacts:delete")
def ask_delete(segment_id: int) -> Response:
    """The confirmation."""
    row = service.get_segment(current_actor(), segment_id)
    using = campaigns.asking(row.workspace_id, row.id)
    named = ", ".join(f"“{name}”" for _, name, _ in using[:3])
    return render(
        "parts/confirm.html", "parts/_confirm.html", title="Delete segment?", url=url_for(".delete", segment_id=row.id),
        text=f"The segment “{row.name}” goes; the contacts that it chooses stay as they are.", button="Delete segment",
        milder=f"It cannot go now: campaigns that are on their way ask for it ({named})." if using else "",
        cancel=url_for(".show_page", segment_id=row.id), keep="Keep it",
    )  # fmt: skip


@bp.post("/segments/<int:segment_id>/delete")
@needs("contacts:delete")
def delete(segment_id: int) -> Response:
    """Delete it."""
    try:
        row = service.delete_segment(current_actor(), segment_id)
    except InUse as refused:
        db.session.rollback()
        return redirect_to(url_for(".show_page", segment_id=segment_id), toast=refused.message, tone="bad")
    return redirect_to(url_for(".list_page"), toast=f"Segment “{row.name}” is deleted")


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    menu.add("People", "Segments", "segments.list_page", scope="contacts:read", order=35)
