"""Forms of imports."""

from collections.abc import Sequence
from typing import Any

from flask import request
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import BooleanField, RadioField, SelectChoice, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.validators import Length
from wtforms.widgets import CheckboxInput, ListWidget

from webapp.contacts.models import ContactGroup, CustomField
from webapp.imports.columns import CUSTOM, FIELDS
from webapp.imports.models import ContactImport
from webapp.imports.service import ENCODINGS, MOST_CONSENT, Settings

DUPLICATE_CHOICES = [
    SelectChoice("update", "Fill in and change what the file says; empty cells change nothing"),
    SelectChoice("skip", "Leave them as they are"), SelectChoice("error", "Report them as errors"),
]  # fmt: skip
OFFERED_GROUPS = 200


class UploadForm(FlaskForm):
    file = FileField(
        "CSV or XLSX file",
        description="Of any size. The first line names the columns. Nothing changes before you have seen what would happen.",
    )  # fmt: skip
    encoding = SelectField(
        "Letters", default="", choices=[SelectChoice("", "Find out by itself"), *(SelectChoice(name, name.upper()) for name in ENCODINGS)],
        description="Only if names turn out garbled.",
    )  # fmt: skip


class ColumnsForm(FlaskForm):
    duplicates = RadioField("People who are contacts already", choices=DUPLICATE_CHOICES, default="update")
    groups = SelectMultipleField(
        "Put everybody into these groups", coerce=int, choices=[], option_widget=CheckboxInput(), widget=ListWidget(prefix_label=False)
    )
    tags = StringField("Give everybody these tags", [Length(max=500)], description="With commas between them. Missing tags are made.")
    consent = TextAreaField(
        "What did they agree to?", [Length(max=MOST_CONSENT)], render_kw={"rows": 3},
        description="Kept with each new contact as evidence, such as: signed up on our stand at the garden fair, May 2026.",
    )  # fmt: skip

    announce = BooleanField(
        "Announce each contact", description="Webhooks and the list of events hear of each one; otherwise only when all are in.",
    )  # fmt: skip

    def fill(self, job: ContactImport, tags: Sequence[str], groups: Sequence[ContactGroup]) -> None:
        """Offer the groups; show what was said before."""
        self.groups.choices = [SelectChoice(group.id, group.name) for group in groups[:OFFERED_GROUPS]]
        if request.method == "GET":
            self.duplicates.data, self.consent.data, self.announce.data = job.duplicates, job.consent, job.announce
            self.groups.data, self.tags.data = list(job.group_ids), ", ".join(tags)

    def settings(self, titles: Sequence[str]) -> Settings:
        """What was said, with the columns."""
        mapping = {title: request.form.get(f"column-{number}", "") for number, title in enumerate(titles)}
        names = [name for name in (part.strip() for part in (self.tags.data or "").split(",")) if name]
        return Settings(mapping, self.duplicates.data or "update", self.groups.data or [], names, self.consent.data, self.announce.data)


def targets(custom: Sequence[CustomField]) -> list[tuple[str, str]]:
    """What a column may go to."""
    own = [(f"{CUSTOM}{field.key}", field.label) for field in custom]
    return [("", "Leave out"), *FIELDS.items(), *own, ("new", "New custom field")]


def rows_of(job: ContactImport, asked: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The columns of the file, each with an example and where it goes."""
    sample = job.shape.get("sample") or []
    found = []
    for number, title in enumerate(job.shape["titles"]):
        cells = [row[number] for row in sample if number < len(row) and row[number]]
        found.append({"number": number, "title": title, "examples": cells[:3], "target": (asked or job.mapping).get(title, "")})
    return found
