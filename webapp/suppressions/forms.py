"""Forms of the suppression list."""

from typing import Any

from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from webapp.suppressions.models import REASONS

SCOPE_WORDS = {"all": "All mail", "bulk": "Bulk mail", "transactional": "Transactional mail"}
REASON_WORDS = {name: words.capitalize() for name, words in REASONS.items()} | {"manual": "Added by hand"}
#: characters of a list on the page; longer ones go by API
MOST_TEXT = 1_000_000


class SuppressionForm(FlaskForm):
    address = StringField("Address", [InputRequired("Write the address."), Length(max=254)])
    reason = SelectField("Reason", choices=list(REASON_WORDS.items()), default="manual")
    scope = SelectField(
        "What is kept back", choices=list(SCOPE_WORDS.items()), default="all",
        description="Whoever unsubscribed from bulk mail still gets transactional mail, such as receipts.",
    )  # fmt: skip
    note = StringField("Note", [Length(max=500)], description="For people, such as who asked for it.")


class ImportForm(FlaskForm):
    lines = TextAreaField(
        "Addresses", [Length(max=MOST_TEXT)], render_kw={"rows": 8, "spellcheck": "false"},
        description="One a line, or CSV with the columns address, reason, scope and note. Exports of other services are understood.",
    )  # fmt: skip
    file = FileField("Or a CSV or JSON file", description="It is taken instead. At most 1 MB here, 10 MB by API.")

    def text(self) -> str:
        """What was written, or the file."""
        file: Any = self.file.data
        if file is not None and file.filename:
            content: bytes = file.read(MOST_TEXT + 1)
            return content.decode("utf-8-sig", "replace")
        return str(self.lines.data or "")
