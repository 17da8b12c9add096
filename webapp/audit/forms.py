"""The filters of the audit page, read from the address: what cannot be read is told, not ignored. And its two small forms."""

from dataclasses import dataclass, field
from typing import Any

from flask_wtf import FlaskForm
from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, IntegerField, RadioField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import NumberRange, Optional

from webapp.audit.retention import LEAST_DAYS, MOST_DAYS
from webapp.audit.schemas import AuditQuery
from webapp.core.body import flatten

#: filter -> how the page calls it, in the order of its tags
LABELS = {
    "q": "Text", "actor": "Actor", "actor_type": "By", "actor_id": "Actor id", "token_id": "Token", "action": "Action",
    "target_type": "About", "target_id": "Id", "result": "Result", "ip": "From", "request_id": "Request", "after": "Since",
    "before": "Until",
}  # fmt: skip
#: filters that the form has no field for; it carries them along
UNSEEN = ("actor_type", "actor_id")
#: quick states: key, label, kind of number
CHIPS = (
    ("", "All", "all"), ("user", "People", "by_user"), ("token", "Tokens", "by_token"), ("mailbox", "Mailboxes", "by_mailbox"),
    ("system", "System", "by_system"), ("refused", "Refused", "refused"),
)  # fmt: skip


@dataclass
class Asked:
    """What the address asks for. `values` as typed, `filters` as the service takes them, `errors` by field."""

    values: dict[str, str]
    filters: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)

    @property
    def hidden(self) -> dict[str, str]:
        """What the filter form carries along unseen."""
        return {name: value for name, value in self.values.items() if name in UNSEEN}

    @property
    def is_deep(self) -> bool:
        """Whether a filter is set that stands behind "More filters"."""
        return any(name in self.values for name in ("target_type", "target_id", "ip", "request_id", "result", "token_id"))

    def without(self, *names: str) -> dict[str, str]:
        return {name: value for name, value in self.values.items() if name not in names}


def read(arguments: MultiDict[str, str]) -> Asked:
    """Take the known filters out of a query string; the unreadable ones stay in `errors` and do not narrow."""
    shape = AuditQuery()
    values = {name: arguments.get(name, "").strip() for name in shape.fields if arguments.get(name, "").strip()}
    asked = Asked(values)
    try:
        asked.filters = shape.load(values)
    except ValidationError as error:
        asked.errors = flatten(error.messages)
        asked.filters = dict(error.valid_data or {})
    return asked


class ExportForm(FlaskForm):
    form = RadioField(
        "Format",
        default="csv",
        choices=[SelectChoice("csv", "CSV, for spreadsheets"), SelectChoice("json", "NDJSON, one JSON object a line, for programs")],
    )
    raw = BooleanField(
        "Leave formula cells as they are",
        description="Off, a cell that a spreadsheet would run as a formula gets an apostrophe in front. CSV only.",
    )


class RetentionForm(FlaskForm):
    keep = RadioField("Keep entries", default="ever", choices=[SelectChoice("ever", "For ever"), SelectChoice("days", "For so many days")])
    days = IntegerField(
        "Days",
        validators=[Optional(), NumberRange(LEAST_DAYS, MOST_DAYS, f"Write a number of days from {LEAST_DAYS} to {MOST_DAYS:,}.")],
        description=f"At least {LEAST_DAYS}. Older entries go within the hour, from the front of the chain, and do not come back.",
    )

    def keep_days(self) -> int | None:
        """raises ValueError when a number is wanted and missing"""
        if self.keep.data == "ever":
            return None
        if self.days.data is None:
            raise ValueError("Write how many days.")
        return int(self.days.data)
