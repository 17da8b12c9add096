"""Adding a contact, and changing its fields."""

from typing import Any

from flask import request, url_for

from webapp.accounts.forms import add_errors
from webapp.contacts import field_values, groups, service
from webapp.contacts.forms import ContactForm, NewContactForm, form_for, names_in, offered
from webapp.contacts.pages.base import bp, who
from webapp.core.access import current_actor, needs
from webapp.core.db import db
from webapp.core.errors import HouseError
from webapp.core.htmx import redirect_to, render

OFFERED = 100


@bp.route("/contacts/new", methods=["GET", "POST"])
@needs("contacts:write")
def new_page() -> Any:
    """Add somebody."""
    actor = current_actor()
    fields = field_values.of_workspace(actor.workspace_id)
    form = form_for(NewContactForm, fields, email=request.args.get("email", "")[:254], tags=request.args.get("tag", "")[:200])
    form.group_ids.choices = offered(groups.list_groups(actor)[:OFFERED])
    if request.method == "GET" and request.args.get("group", "").isdecimal():
        form.group_ids.data = [int(request.args["group"][:18])]
    if form.validate_on_submit():
        try:
            contact = service.create_contact(
                actor, tags=names_in(form.tags.data), group_ids=form.group_ids.data or [], custom_fields=form.custom(), source="page",
                subscribed=form.subscribed.data, evidence=(form.evidence.data or "").strip() or None, **columns(form),
            )  # fmt: skip
            return redirect_to(url_for(".show_page", contact_id=contact.id), toast=f"{who(contact)} is added")
        except HouseError as refused:
            db.session.rollback()
            add_errors(form, refused, spare="email")
            fields = field_values.of_workspace(actor.workspace_id)
    return render("contacts/new.html", status=422 if form.errors else 200, form=form, fields=fields)


def columns(form: Any) -> dict[str, Any]:
    """The plain fields that were filled in; who gave only the parts of a name gets the whole."""
    found: dict[str, Any] = {name: value for name, value in form.texts().items() if value}
    found.setdefault("name", " ".join(found[name] for name in ("first_name", "last_name") if name in found))
    return {**found, **({} if form.lead_score.data is None else {"lead_score": form.lead_score.data})}


@bp.route("/contacts/<int:contact_id>/edit", methods=["GET", "POST"])
@needs("contacts:write")
def edit_page(contact_id: int) -> Any:
    """Change the fields of a contact."""
    actor = current_actor()
    contact = service.get_contact(actor, contact_id)
    fields = field_values.of_workspace(actor.workspace_id)
    form = form_for(ContactForm, fields, contact)
    if form.validate_on_submit():
        try:
            contact = service.update_contact(actor, contact_id, changes(form, contact), source="page")
            return redirect_to(url_for(".show_page", contact_id=contact_id), toast=f"{who(contact)} is changed")
        except HouseError as refused:
            db.session.rollback()
            add_errors(form, refused, spare="email")
            contact, fields = service.get_contact(actor, contact_id), field_values.of_workspace(actor.workspace_id)
    return render("contacts/edit.html", status=422 if form.errors else 200, form=form, contact=contact, fields=fields)


def changes(form: Any, contact: Any) -> dict[str, Any]:
    """What of the form differs from the contact; parts of the name follow the whole unless they were changed themselves."""
    found = {name: value for name, value in form.texts().items() if value != (getattr(contact, name) or ("" if value == "" else None))}
    if form.lead_score.data is not None and form.lead_score.data != contact.lead_score:
        found["lead_score"] = form.lead_score.data
    held = contact.custom_fields
    own = {key: value for key, value in form.custom().items() if value != held.get(key) and (value or key in held)}
    return {**found, **({"custom_fields": own} if own else {})}
