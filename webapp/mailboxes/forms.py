"""Fields and labels of the mailbox pages. Shapes and bounds are those of the API's schemas."""

from typing import Any

from flask_wtf import FlaskForm
from wtforms import BooleanField, FileField, IntegerField, PasswordField, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, InputRequired, Optional

from webapp.core.errors import Invalid, invalid
from webapp.domains.forms import checked, text_or_none
from webapp.mailboxes.models import MEBIBYTE, Mailbox
from webapp.mailboxes.rows import SETTINGS
from webapp.mailboxes.schemas import MailboxCreate, MailboxPatch

PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
MOST_UPLOADED = 1024 * 1024
SHOWN = "Shown beside the address in mail that it sends."


def whole(label: str, hint: str = "", least: int = 1) -> IntegerField:
    """A whole number that may be left empty."""
    return IntegerField(label, validators=[Optional()], description=hint, render_kw={"min": least, "inputmode": "numeric"})


def row_id(value: Any) -> int:
    """What a select sends as a number; 0, which is no row, for anything else."""
    return int(value) if str(value).isdecimal() and len(str(value)) < 19 else 0


class PasswordChoice(FlaskForm):
    """A password that is generated unless somebody types one."""

    password = PasswordField("Password", description="12 to 128 characters. Leave it empty and Mailroom makes a strong one, shown once.")

    def secret(self) -> str | None:
        return self.password.data or None


class MailboxForm(PasswordChoice):
    local_part = StringField("Name", validators=[DataRequired("Write a name.")], render_kw=PLAIN, description="Stands before the @.")
    domain_id = SelectField("Domain", coerce=row_id, validators=[InputRequired("Choose a domain.")], description="Stands after the @.")
    display_name = StringField("Display name", description=SHOWN, render_kw={"autocomplete": "off"})

    def values(self) -> dict[str, Any]:
        """As `service.create_mailbox` takes them. raises Invalid"""
        names = {"local_part": self.local_part.data, "domain_id": self.domain_id.data, "display_name": text_or_none(self.display_name.data)}
        return checked(MailboxCreate(), {**names, "password": self.secret()})


class BulkForm(FlaskForm):
    domain_id = SelectField("Domain", coerce=row_id, description="For lines that say only what stands before the @.")
    lines = TextAreaField(
        "Mailboxes, one a line",
        description="Name or address, then if you like display name, password and note, separated by commas. A first line may name them.",
        render_kw={"rows": 10, "spellcheck": "false", "autocapitalize": "none", "placeholder": "orders, Order desk\njobs, Jobs"},
    )
    file = FileField("Or a CSV file", description="Its lines are taken instead. At most 1 MB.", render_kw={"accept": ".csv,.txt,text/csv"})

    def text(self) -> str:
        """What was uploaded, else what was typed. raises Invalid"""
        upload = self.file.data
        if not upload or not upload.filename:
            return self.lines.data or ""
        raw = upload.read(MOST_UPLOADED + 1)
        if len(raw) > MOST_UPLOADED:
            raise invalid("file", "The file has more than 1 MB; split it.")
        try:
            return str(raw.decode("utf-8-sig"))
        except UnicodeDecodeError:
            return str(raw.decode("cp1252", "replace"))


class SettingsForm(FlaskForm):
    display_name = StringField("Display name", description=SHOWN, render_kw={"autocomplete": "off"})
    note = StringField("Note", description="For you and your colleagues.")
    can_receive = BooleanField("Receives mail")
    can_send = BooleanField("Sends mail")
    default_delivery = RadioField(
        "Mail that no route takes",
        choices=[SelectChoice("deliver", "goes into the inbox"), SelectChoice("archive_only", "is kept in the archive only")],
    )
    log_level = RadioField(
        "Route log",
        choices=[SelectChoice("normal", "routes that matched"), SelectChoice("verbose", "also routes that did not match")],
    )
    allow_unauthenticated = BooleanField("Run routes on mail that fails SPF, DKIM and DMARC too")
    archive_enabled = BooleanField("Keep mail in the archive")
    archive_retention_days = whole("Days in the archive", "Empty: for ever.")
    hourly_limit = whole("Most mails an hour", "Empty: no limit.")
    daily_limit = whole("Most mails a day", "Empty: no limit.")
    total_limit = whole("Most mails altogether", "Empty: no limit.")
    max_message_kb = IntegerField(
        "Largest mail, KB",
        validators=[InputRequired("Write the size of the largest mail that it takes.")],
        description="10,240 KB are 10 MB.",
        render_kw={"min": 1, "inputmode": "numeric"},
    )
    storage_mb = whole("Most storage, MB", "Empty: no limit.")

    @classmethod
    def of(cls, mailbox: Mailbox) -> "SettingsForm":
        storage = None if mailbox.storage_limit_bytes is None else max(1, mailbox.storage_limit_bytes // MEBIBYTE)
        return cls(obj=mailbox, max_message_kb=mailbox.max_message_bytes // 1024, storage_mb=storage)

    def changes(self, mailbox: Mailbox) -> dict[str, Any]:
        """As `service.update_mailbox` takes them, checked by the schema of the API. raises Invalid about the form's fields"""
        given = {name: self[name].data for name in SETTINGS if name in self}
        for name in ("display_name", "note"):
            given[name] = text_or_none(given[name])
        # Sizes that were not touched stay exact to the byte.
        given["max_message_bytes"] = exact(self.max_message_kb.data, 1024, mailbox.max_message_bytes)
        given["storage_limit_bytes"] = exact(self.storage_mb.data, MEBIBYTE, mailbox.storage_limit_bytes)
        try:
            return checked(MailboxPatch(), given)
        except Invalid as refused:
            raise renamed(refused) from None


def exact(shown: int | None, unit: int, stored: int | None) -> int | None:
    if shown is None:
        return None
    return stored if stored is not None and max(1, stored // unit) == shown else shown * unit


def renamed(refused: Invalid) -> Invalid:
    """The API's names of the two sizes are other than the form's."""
    names = {"max_message_bytes": "max_message_kb", "storage_limit_bytes": "storage_mb"}
    refused.fields = {names.get(name, name): texts for name, texts in refused.fields.items()}
    return refused
