"""/mailbox-data: what is known about receivers of a mailbox, with upload."""

import json
from typing import Any

from flask import Blueprint, Response, request, url_for

from webapp.automation import data, reach
from webapp.core.access import current_actor, needs
from webapp.core.db import db, utcnow
from webapp.core.errors import Invalid
from webapp.core.htmx import redirect_to, render
from webapp.core.paging import Page, PageRequest

bp = Blueprint("mailbox_data", __name__)
PER_PAGE = 50


@bp.get("/mailbox-data")
@needs("data:read")
def list_page() -> Response:
    """Entries of one mailbox, filtered by receiver, note, content and upload."""
    actor = current_actor()
    boxes = reach.list_mailboxes(actor)
    mailbox_id = request.args.get("mailbox", type=int) or (boxes[0].id if boxes else None)
    number = min(max(1, request.args.get("page", 1, int)), 10_000)
    wanted = request.args.get("q", "").strip()[:200]
    filters: dict[str, Any] = {"file": request.args.get("file", type=int)}
    if wanted:
        filters["emails" if "@" in wanted else "data"] = wanted
    page: Page[Any] = Page([], PER_PAGE)
    if mailbox_id is not None:
        page = data.list_data(actor, mailbox_id, PageRequest(number, PER_PAGE), filters)
    kept = {"mailbox": mailbox_id, "q": wanted or None, "file": filters["file"]}
    return render(
        "automation/data.html", "automation/_data.html", page=page, mailboxes=boxes, mailbox_id=mailbox_id, q=wanted, now=utcnow(),
        email=next((box.email for box in boxes if box.id == mailbox_id), ""), file=filters["file"], as_lines=as_lines,
        files=data.list_files(actor, mailbox_id) if mailbox_id is not None else [], may=actor.may("data:write"),
        newer=url_for(".list_page", **kept, page=number - 1) if number > 1 else None,
        older=url_for(".list_page", **kept, page=number + 1) if page.has_more else None,
    )  # fmt: skip


def as_lines(value: dict[str, Any]) -> str:
    """Data as `key: value` lines; what is no text is JSON."""
    texts = {name: inner if isinstance(inner, str) else json.dumps(inner, ensure_ascii=False) for name, inner in value.items()}
    return "\n".join(f"{name}: {text}" for name, text in texts.items())


def _from_lines(text: str) -> dict[str, Any]:
    """raises Invalid about `data`"""
    lines = [line for line in text.splitlines() if line.strip()]
    if not all(":" in line for line in lines):
        raise Invalid("Write one “key: value” on each line.", fields={"data": ["Write one “key: value” on each line."]})
    found: dict[str, Any] = {}
    for name, _, value in (line.partition(":") for line in lines):
        found[name.strip()] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    """JSON where it is an object, a list, a number, true, false or null; else the text itself."""
    try:
        return text if text.startswith('"') else json.loads(text)
    except ValueError:
        return text


@bp.route("/mailbox-data/<int:mailbox_id>/new", methods=["GET", "POST"])
@needs("data:write")
def new_entry(mailbox_id: int) -> Response:
    """Add an entry."""
    return _edit(mailbox_id, None)


@bp.route("/mailbox-data/<int:mailbox_id>/<int:data_id>", methods=["GET", "POST"])
@needs("data:write")
def edit_entry(mailbox_id: int, data_id: int) -> Response:
    """Change an entry."""
    return _edit(mailbox_id, data_id)


def _edit(mailbox_id: int, data_id: int | None) -> Response:
    actor = current_actor()
    mailbox = reach.get_mailbox(actor, mailbox_id)
    entry = data.get_entry(actor, mailbox_id, data_id) if data_id is not None else None
    values = {"emails": ", ".join(entry.emails), "data": as_lines(entry.data), "note": entry.note} if entry else {}
    errors: dict[str, list[str]] = {}
    if request.method == "POST":
        values = {name: request.form.get(name, "") for name in ("emails", "data", "note")}
        try:
            emails = [part.strip() for part in values["emails"].replace("\n", ",").split(",") if part.strip()]
            given: dict[str, Any] = {"emails": emails, "data": _from_lines(values["data"]), "note": values["note"]}
            if data_id is None:
                data.create_entry(actor, mailbox_id, **given)
            else:
                data.update_entry(actor, mailbox_id, data_id, given, replace=True)
            return redirect_to(url_for(".list_page", mailbox=mailbox_id), toast="The entry is saved")
        except Invalid as refused:
            db.session.rollback()
            errors = {name.split(".")[0]: texts for name, texts in refused.fields.items()}
    return render(
        "automation/data_entry.html", "automation/_data_entry.html", status=422 if errors else 200, mailbox_id=mailbox_id,
        email=mailbox.email, data_id=data_id, values=values, errors=errors,
    )  # fmt: skip


@bp.route("/mailbox-data/<int:mailbox_id>/upload", methods=["GET", "POST"])
@needs("data:write")
def upload(mailbox_id: int) -> Response:
    """Load a CSV or JSON file."""
    actor = current_actor()
    mailbox = reach.get_mailbox(actor, mailbox_id)
    error = ""
    if request.method == "POST":
        file = request.files.get("file")
        try:
            if file is None or not file.filename:
                raise Invalid("Choose a file.", fields={"file": ["Choose a file."]})
            made = data.import_file(actor, mailbox_id, file.filename, file.read())
            return redirect_to(url_for(".list_page", mailbox=mailbox_id, file=made.id), toast=f"{made.entry_count:,} entries are loaded")
        except Invalid as refused:
            db.session.rollback()
            error = next(iter(refused.fields.values()))[0]
    return render(
        "automation/data_upload.html", "automation/_data_upload.html", status=422 if error else 200, mailbox_id=mailbox_id,
        email=mailbox.email, error=error,
    )  # fmt: skip


@bp.route("/mailbox-data/<int:mailbox_id>/<int:data_id>/delete", methods=["GET", "POST"])
@needs("data:write")
def delete(mailbox_id: int, data_id: int) -> Response:
    """Delete an entry for good, after a confirmation."""
    actor = current_actor()
    entry = data.get_entry(actor, mailbox_id, data_id)
    back = url_for(".list_page", mailbox=mailbox_id)
    if request.method == "POST":
        data.delete_entry(actor, mailbox_id, data_id)
        return redirect_to(back, toast="The entry is deleted")
    return render(
        "parts/confirm.html", "parts/_confirm.html", title="Delete entry?", url=request.path, button="Delete entry", cancel=back,
        text=f"{len(entry.data):,} keys of {', '.join(entry.emails[:3])} are gone for good; there is no trash for mailbox data.",
        milder="Changing the entry keeps the rest of it.",
    )  # fmt: skip
