"""/contact-groups: lists that campaigns go to; making, changing and deleting one, who is on it, and putting people on it."""

import re
from typing import Any

from flask import Blueprint, request, url_for

from webapp.accounts.forms import add_errors
from webapp.audit import service as audit
from webapp.contacts import groups, membership, picking
from webapp.contacts.forms_lists import GroupForm, MembersForm
from webapp.contacts.pages import listing
from webapp.contacts.pages.tags import paged
from webapp.contacts.picking_lists import group_action, people
from webapp.core.access import current_actor, needs
from webapp.core.db import db, utcnow
from webapp.core.errors import HouseError
from webapp.core.htmx import redirect_to, render

bp = Blueprint("contact_groups", __name__)
SHOWN_MISSING = 20


def is_list(path: str) -> bool:
    """Whether an address is the page of a group, whose rows are contacts."""
    return re.fullmatch(rf"{re.escape(url_for('contact_groups.list_page'))}/[1-9]\d{{0,17}}", path) is not None


@bp.get("/contact-groups")
@needs("contacts:read")
def list_page() -> Any:
    """All groups, oldest first."""
    q = request.args.get("q", "").strip()[:100]
    found = groups.list_groups(current_actor(), q or None)
    return render("contacts/groups/list.html", "contacts/groups/_rows.html", now=utcnow(), **paged(found, q, ".list_page"))


@bp.route("/contact-groups/new", methods=["GET", "POST"])
@needs("contacts:write")
def new_page() -> Any:
    """Make a group."""
    form = GroupForm()
    if form.validate_on_submit():
        try:
            group = groups.create_group(current_actor(), name=form.name.data or "", description=form.description.data)
            return redirect_to(url_for(".show_page", group_id=group.id), toast=f"Group {group.name} is there")
        except HouseError as refused:
            db.session.rollback()
            add_errors(form, refused, spare="name")
    return render("contacts/groups/form.html", status=422 if form.errors else 200, form=form, group=None)


@bp.get("/contact-groups/<int:group_id>")
@needs("contacts:read")
def show_page(group_id: int) -> Any:
    """Who is on it."""
    actor = current_actor()
    group = groups.get_group(actor, group_id)
    asked = listing.read("contact_groups.show_page", {"group_id": group_id}, {"group": str(group_id)})
    context = listing.table(actor, asked)
    out = group_action(False, str(group_id), "this group")
    context["actions"] = (out, *[action for action in picking.ACTIONS if action.name != "remove_from_group"])
    return render(
        "contacts/groups/show.html", "contacts/_rows.html", group=group, story=audit.story_of(actor, "contact_group", group_id), **context
    )


@bp.route("/contact-groups/<int:group_id>/edit", methods=["GET", "POST"])
@needs("contacts:write")
def edit_page(group_id: int) -> Any:
    """Rename a group, or describe it."""
    actor = current_actor()
    group = groups.get_group(actor, group_id)
    form = GroupForm(obj=group)
    if form.validate_on_submit():
        try:
            group = groups.update_group(actor, group_id, {"name": form.name.data, "description": form.description.data})
            return redirect_to(url_for(".show_page", group_id=group_id), toast=f"Group {group.name} is changed")
        except HouseError as refused:
            db.session.rollback()
            add_errors(form, refused, spare="name")
            group = groups.get_group(actor, group_id)
    return render("contacts/groups/form.html", status=422 if form.errors else 200, form=form, group=group)


@bp.route("/contact-groups/<int:group_id>/add", methods=["GET", "POST"])
@needs("contacts:write")
def add_page(group_id: int) -> Any:
    """Put contacts on it by their addresses."""
    actor = current_actor()
    group, form = groups.get_group(actor, group_id), MembersForm()
    if form.validate_on_submit():
        ids, missing = picking.by_addresses(actor.workspace_id, re.split(r"[\s,;]+", form.addresses.data or ""))
        if not missing:
            done = membership.add(actor, group_id, ids)
            rest = f"; {people(done.unchanged, 'was', 'were')} there already" if done.unchanged else ""
            return redirect_to(url_for(".show_page", group_id=group_id), toast=f"{people(done.changed)} added to {group.name}{rest}")
        some = ", ".join(missing[:SHOWN_MISSING]) + (f" and {len(missing) - SHOWN_MISSING:,} more" if len(missing) > SHOWN_MISSING else "")
        form.addresses.errors = [f"No contact has: {some}. Add them as contacts first, or take them out; nobody was added yet."]
    return render("contacts/groups/add.html", status=422 if form.errors else 200, form=form, group=group)


@bp.route("/contact-groups/<int:group_id>/delete", methods=["GET", "POST"])
@needs("contacts:delete")
def delete_page(group_id: int) -> Any:
    """Delete a group, after a confirmation; its members stay."""
    actor = current_actor()
    if request.method == "POST":
        try:
            group = groups.delete_group(actor, group_id)
        except HouseError as refused:
            if refused.status != 409:
                raise
            db.session.rollback()
            return redirect_to(url_for(".show_page", group_id=group_id), toast=f"{refused.message} {refused.hint}", tone="bad")
        return redirect_to(url_for(".list_page"), toast=f"Group {group.name} is deleted")
    group = groups.get_group(actor, group_id)
    count = group.members_count
    members = f"{people(count, 'is on it and stays a contact', 'are on it and stay contacts')}." if count else "Nobody is on it."
    return render(
        "parts/confirm.html", "parts/_confirm.html", title=f"Delete group {group.name}", button="Delete group", url=request.path,
        text=f"{members} Drafts of campaigns that go to it lose it.", milder="", cancel=url_for(".show_page", group_id=group_id),
        keep="Keep it",
    )  # fmt: skip
