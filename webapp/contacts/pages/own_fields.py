"""/custom-fields: what a workspace wants to know beside the fixed columns; making, changing, ordering and deleting one."""

from typing import Any

from flask import Blueprint, request, url_for

from webapp.accounts.forms import add_errors
from webapp.audit import service as audit
from webapp.contacts import fields
from webapp.contacts.forms_lists import TYPE_WORDS, FieldForm
from webapp.contacts.models import CustomField
from webapp.contacts.picking_lists import people
from webapp.core.access import current_actor, needs
from webapp.core.db import db
from webapp.core.errors import HouseError
from webapp.core.htmx import redirect_to, render

bp = Blueprint("contact_fields", __name__)


@bp.get("/custom-fields")
@needs("contacts:read")
def list_page() -> Any:
    """All fields in the order of pages."""
    return render("contacts/fields/list.html", rows=fields.list_fields(current_actor()), type_words=TYPE_WORDS)


@bp.route("/custom-fields/new", methods=["GET", "POST"])
@needs("contacts:write")
def new_page() -> Any:
    """Make a field."""
    form = FieldForm()
    if form.validate_on_submit():
        try:
            given: dict[str, Any] = form.values()
            field = fields.create_field(current_actor(), key=(form.key.data or "").strip() or None, **given)
            return redirect_to(url_for(".list_page"), toast=f"Field {field.label} is there, with the key {field.key}")
        except HouseError as refused:
            db.session.rollback()
            add_errors(form, refused, spare="label")
    return render("contacts/fields/form.html", status=422 if form.errors else 200, form=form, field=None, story=[])


@bp.route("/custom-fields/<int:field_id>/edit", methods=["GET", "POST"])
@needs("contacts:write")
def edit_page(field_id: int) -> Any:
    """Change a field; its key stays."""
    actor = current_actor()
    field = fields.get_field(actor, field_id)
    form = FieldForm(obj=_shown(field))
    if form.validate_on_submit():
        try:
            changes: dict[str, Any] = form.values()
            field = fields.update_field(actor, field_id, changes)
            return redirect_to(url_for(".list_page"), toast=f"Field {field.label} is changed")
        except HouseError as refused:
            db.session.rollback()
            add_errors(form, refused, spare="label")
            field = fields.get_field(actor, field_id)
    story = audit.story_of(actor, "custom_field", field_id)
    return render("contacts/fields/form.html", status=422 if form.errors else 200, form=form, field=field, story=story)


class _shown:
    """A field as its form shows it: options one a line."""

    def __init__(self, field: CustomField) -> None:
        self.label, self.type, self.placeholder, self.required = field.label, field.type, field.placeholder, field.required
        self.default, self.options = field.default, "\n".join(map(str, field.options))


@bp.post("/custom-fields/<int:field_id>/move")
@needs("contacts:write")
def move(field_id: int) -> Any:
    """One place up or down in the order of pages."""
    actor = current_actor()
    fields.get_field(actor, field_id)
    order = [field.id for field in fields.list_fields(actor)]
    place = order.index(field_id)
    other = place - 1 if request.form.get("to") == "up" else place + 1
    if 0 <= other < len(order):
        order[place], order[other] = order[other], order[place]
        fields.put_in_order(actor, order)
    return redirect_to(url_for(".list_page"))


@bp.route("/custom-fields/<int:field_id>/delete", methods=["GET", "POST"])
@needs("contacts:delete")
def delete_page(field_id: int) -> Any:
    """Take a field away, after a confirmation."""
    actor = current_actor()
    if request.method == "POST":
        field = fields.delete_field(actor, field_id)
        return redirect_to(url_for(".list_page"), toast=f"Field {field.label} is deleted")
    field = fields.get_field(actor, field_id)
    some = f"{people(fields.used_by(field), 'holds', 'hold')} a value (of the newest {fields.LOOKED:,})."
    return render(
        "parts/confirm.html", "parts/_confirm.html", title=f"Delete field {field.label}", button="Delete field", url=request.path,
        text=f"{some} The values stay with the contacts, but pages and letters show them no more.",
        milder=f"A field made again with the key {field.key} finds them there.", cancel=url_for(".list_page"), keep="Keep it",
    )  # fmt: skip
