"""Fields and labels of the domain pages."""

from typing import Any

from flask_wtf import FlaskForm
from wtforms import BooleanField, StringField
from wtforms.validators import DataRequired, Length

from webapp.domains.schemas import LONGEST_NOTE

NOTE = [Length(max=LONGEST_NOTE, message=f"At most {LONGEST_NOTE} characters.")]


class DomainForm(FlaskForm):
    name = StringField(
        "Domain",
        validators=[DataRequired("Write the name of the domain, as in example.com.")],
        description="As in example.com. Its mailboxes get addresses that end in @ and this name.",
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "inputmode": "url"},
    )
    note = StringField("Note", validators=NOTE, description="For you and your colleagues.")


class DomainSettingsForm(FlaskForm):
    note = StringField("Note", validators=NOTE, description="For you and your colleagues.")
    catch_all_enabled = BooleanField("Catch mail for addresses that do not exist")
    catch_all_destination = StringField(
        "Caught mail goes to",
        description="The address of one of your mailboxes. Without a catch-all such mail is refused, and its sender is told.",
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "inputmode": "email"},
    )

    def changes(self) -> dict[str, Any]:
        """As `service.update_domain` takes them."""
        destination = (self.catch_all_destination.data or "").strip()
        return {
            "note": (self.note.data or "").strip() or None,
            "catch_all": {"enabled": bool(self.catch_all_enabled.data), "destination": destination or None},
        }
