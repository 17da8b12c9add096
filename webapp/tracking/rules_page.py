"""/contacts/settings: what the workspace decides about its people and campaigns. Opened by `pages`."""

from typing import Any

from flask import Blueprint, url_for
from flask_wtf import FlaskForm
from wtforms import BooleanField, IntegerField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange

from webapp.accounts.forms import add_errors
from webapp.core.access import current_actor, needs
from webapp.core.db import db
from webapp.core.errors import HouseError
from webapp.core.htmx import redirect_to, render
from webapp.tracking import rules, scores
from webapp.tracking.rules import DEEDS, LONGEST, Rules

bp = Blueprint("contact_rules", __name__)


def _points(label: str, deed: str, what: str) -> IntegerField:
    least, most = DEEDS[deed]
    text = f"Write a whole number from {least} to {most}."
    checks = [InputRequired(text), NumberRange(least, most, text)]
    return IntegerField(label, checks, description=f"{what} {scores.WEIGHTS[deed]} unless you change it.")


class RulesForm(FlaskForm):
    open = _points("Points for an open", "open", "Once for each mail, by a person.")
    click = _points("Points for a click", "click", "Once for each link, by a person.")
    bounce = _points("Points for a hard bounce", "bounce", "Zero or less.")
    strict = BooleanField(
        "Refuse custom fields that nobody defined",
        description="Over the API. Off: a key that is not there yet becomes a field by itself.",
    )  # fmt: skip
    postal_address = TextAreaField(
        "Postal address of the sender", [Length(max=LONGEST)], render_kw={"rows": 3},
        description="Stands in the footer of campaigns that write no footer of their own; many countries demand one.",
    )  # fmt: skip


@bp.route("/contacts/settings", methods=["GET", "POST"])
@needs("workspaces:write")
def page() -> Any:
    """The rules, and saving them."""
    actor = current_actor()
    now = rules.read(actor)
    form = RulesForm(data={**now.points, "strict": now.strict, "postal_address": now.postal_address})
    if form.validate_on_submit():
        text = (form.postal_address.data or "").replace("\r\n", "\n").replace("\x00", "").strip()
        points = {deed: form[deed].data for deed in DEEDS}
        try:
            rules.save(actor, Rules(points, bool(form.strict.data), text))
            return redirect_to(url_for(".page"), toast="Saved")
        except HouseError as refused:
            db.session.rollback()
            add_errors(form, refused, spare="postal_address")
    return render("contacts/settings.html", status=422 if form.errors else 200, form=form)
