"""/tags: every tag with its colour and how many contacts bear it; making, changing and deleting one."""

from typing import Any

from flask import Blueprint, request, url_for

from webapp.accounts.forms import add_errors
from webapp.audit import service as audit
from webapp.contacts import tags
from webapp.contacts.forms_lists import TagForm
from webapp.contacts.picking_lists import people
from webapp.core.access import current_actor, needs
from webapp.core.db import db, utcnow
from webapp.core.errors import HouseError, Invalid
from webapp.core.htmx import redirect_to, render
from webapp.core.paging import PageRequest, sliced

bp = Blueprint("contact_tags", __name__)
PER_PAGE = 100


@bp.get("/tags")
@needs("contacts:read")
def list_page() -> Any:
    """All tags by name."""
    q = request.args.get("q", "").strip()[:50]
    found = tags.list_tags(current_actor(), q or None)
    return render("contacts/tags/list.html", "contacts/tags/_rows.html", now=utcnow(), **paged(found, q, ".list_page"))


def paged(rows: list[Any], q: str, endpoint: str) -> dict[str, Any]:
    """A numbered page of a short list, with the addresses of its neighbours."""
    number = min(max(1, request.args.get("page", 1, int)), 1000)
    page = sliced(rows, PageRequest(number, PER_PAGE))
    return {
        "page": page, "q": q, "newer": url_for(endpoint, q=q or None, page=number - 1) if number > 1 else None,
        "older": url_for(endpoint, q=q or None, page=number + 1) if page.has_more else None,
    }  # fmt: skip


@bp.route("/tags/new", methods=["GET", "POST"])
@needs("contacts:write")
def new_page() -> Any:
    """Make a tag."""
    form = TagForm()
    if request.method == "GET":
        form.color.data = tags.COLORS[len(tags.list_tags(current_actor())) % len(tags.COLORS)]
    if form.validate_on_submit():
        try:
            tag = tags.create_tag(current_actor(), name=_fitted(form), color=form.color.data)
            return redirect_to(url_for(".list_page"), toast=f"Tag {tag.name} is there")
        except HouseError as refused:
            db.session.rollback()
            add_errors(form, refused, spare="name")
    return render("contacts/tags/new.html", status=422 if form.errors else 200, form=form)


def _fitted(form: TagForm) -> str:
    try:
        return tags.fitted(form.name.data or "")
    except Invalid as refused:
        raise Invalid(refused.message, fields={"name": [refused.message]}) from None


@bp.route("/tags/<int:tag_id>/edit", methods=["GET", "POST"])
@needs("contacts:write")
def edit_page(tag_id: int) -> Any:
    """Rename or recolour a tag; contacts keep it."""
    actor = current_actor()
    tag = tags.get_tag(actor, tag_id)
    form = TagForm(data={"name": tag.name, "color": base_color(tag.color)})
    if form.validate_on_submit():
        try:
            tag = tags.update_tag(actor, tag_id, {"name": _fitted(form), "color": form.color.data})
            return redirect_to(url_for(".list_page"), toast=f"Tag {tag.name} is changed")
        except HouseError as refused:
            db.session.rollback()
            add_errors(form, refused, spare="name")
            tag = tags.get_tag(actor, tag_id)
    story = audit.story_of(actor, "tag", tag_id)
    return render("contacts/tags/edit.html", status=422 if form.errors else 200, form=form, tag=tag, story=story)


def base_color(color: str) -> str:
    """What a colour field can show."""
    return color if tags.COLOR.match(color) else tags.COLORS[0]


@bp.route("/tags/<int:tag_id>/delete", methods=["GET", "POST"])
@needs("contacts:delete")
def delete_page(tag_id: int) -> Any:
    """Take a tag away from everybody, after a confirmation."""
    actor = current_actor()
    if request.method == "POST":
        tag = tags.delete_tag(actor, tag_id)
        return redirect_to(url_for(".list_page"), toast=f"Tag {tag.name} is deleted")
    tag = tags.get_tag(actor, tag_id)
    count = tag.contacts_count
    bear = f"{people(count, 'bears it and stays', 'bear it and stay')}." if count else "No contact bears it."
    return render(
        "parts/confirm.html", "parts/_confirm.html", title=f"Delete tag {tag.name}", button="Delete tag", url=request.path,
        text=f"{bear} Segments that ask for it find nobody by it any more.", milder="Renaming it keeps its contacts." if count else "",
        cancel=url_for(".list_page"), keep="Keep it",
    )  # fmt: skip
