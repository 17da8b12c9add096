"""Fields and labels of tags, contact groups and custom fields."""

from flask_wtf import FlaskForm
from wtforms import BooleanField, ColorField, SelectField, StringField, TextAreaField
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, Length

from webapp.contacts.forms import PLAIN, QUIET
from webapp.contacts.models import FIELD_TYPES

TYPE_WORDS = {
    "text": "Text", "number": "Number", "date": "Date", "dropdown": "One of a list", "multi_select": "Several of a list",
    "checkbox": "Yes or no", "url": "Web address", "email": "Email address", "phone": "Phone number", "long_text": "Long text",
}  # fmt: skip
#: types that need options
WITH_OPTIONS = ("dropdown", "multi_select")


class TagForm(FlaskForm):
    name = StringField(
        "Name", [DataRequired("Write a name."), Length(max=50, message="At most 50 characters.")], render_kw=PLAIN,
        description="Lower case; blanks become hyphens.",
    )  # fmt: skip
    color = ColorField("Colour", description="Beside the name wherever the tag shows.")


class GroupForm(FlaskForm):
    name = StringField("Name", [DataRequired("Write a name."), Length(max=100, message="At most 100 characters.")], render_kw=QUIET)
    description = StringField(
        "Description", [Length(max=1000, message="At most 1,000 characters.")], render_kw=QUIET, description="For your team.",
    )  # fmt: skip


class MembersForm(FlaskForm):
    addresses = TextAreaField(
        "Email addresses", [DataRequired("Write at least one address."), Length(max=100_000)], render_kw={"rows": 6, "spellcheck": "false"},
        description="Of contacts that are here already, separated by blanks, commas or lines. Import a file for new ones.",
    )  # fmt: skip


class FieldForm(FlaskForm):
    label = StringField(
        "Label", [DataRequired("Write a label."), Length(max=100, message="At most 100 characters.")], render_kw=QUIET,
        description="What people read.",
    )  # fmt: skip
    key = StringField(
        "Key", [Length(max=63)], render_kw=PLAIN,
        description="Made from the label when it stays empty: Shoe size gives shoe_size. It never changes.",
    )  # fmt: skip
    type = SelectField("Type", choices=[SelectChoice(name, TYPE_WORDS[name]) for name in FIELD_TYPES], default="text")
    options = TextAreaField(
        "Options", [Length(max=10_000)], render_kw={"rows": 5}, description="One a line, for “one of a list” and “several of a list”.",
    )  # fmt: skip
    placeholder = StringField("Example", [Length(max=200)], render_kw=QUIET, description="Shown grey in the empty field.")
    default = StringField("Default", [Length(max=500)], render_kw=QUIET, description="For contacts that come without a value.")
    required = BooleanField("Must be filled in")

    def values(self) -> dict[str, object]:
        """As the services take them, without the key, which is for new ones alone."""
        options = [line.strip() for line in (self.options.data or "").splitlines() if line.strip()]
        return {
            "label": (self.label.data or "").strip(), "type": self.type.data, "options": options if self.type.data in WITH_OPTIONS else [],
            "placeholder": (self.placeholder.data or "").strip() or None, "default": (self.default.data or "").strip() or None,
            "required": bool(self.required.data),
        }  # fmt: skip
