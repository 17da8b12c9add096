"""Fields and labels of the pages about one contact. The services decide what is allowed; their refusals come back beside the fields."""

from collections.abc import Iterable, Sequence
from typing import Any

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    Field,
    IntegerField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, Length, NumberRange, Optional

from webapp.contacts.models import Contact, CustomField

QUIET = {"autocomplete": "off"}
PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
#: columns of a contact that are plain text, in the order of the form
TEXTS = (
    "email", "name", "first_name", "last_name", "company", "job_title", "phone", "street", "postal_code", "city", "state", "country",
)  # fmt: skip
#: what begins the name of the form's field for a custom field
CUSTOM = "custom_fields."
LONGEST_NOTE, LONGEST_EVIDENCE = 20_000, 500


def row_id(value: Any) -> int:
    """What a select sends as a number; 0, which is no row, for anything else."""
    return int(value) if str(value).isdecimal() and len(str(value)) < 19 else 0


def _line(label: str, most: int = 200, hint: str = "", **kw: Any) -> StringField:
    return StringField(label, [Length(max=most, message=f"At most {most} characters.")], description=hint, render_kw={**QUIET, **kw})


class ContactForm(FlaskForm):
    """The fields that every contact has; `form_for` adds those of the workspace."""

    email = StringField("Email", [DataRequired("Write the address."), Length(max=254, message="At most 254 characters.")], render_kw=PLAIN)
    name = _line("Name")
    first_name = _line("First name", hint="Taken from the name when it stays empty.")
    last_name = _line("Last name")
    company = _line("Company")
    job_title = _line("Job title")
    phone = _line("Phone", 60, inputmode="tel")
    street = _line("Street", 300)
    postal_code = _line("Postal code", 30)
    city = _line("City")
    state = _line("State or region")
    country = _line("Country")
    lead_score = IntegerField(
        "Lead score", [Optional(), NumberRange(0, 100, "A number from 0 to 100.")], description="0 to 100.",
        render_kw={"inputmode": "numeric", "min": 0, "max": 100},
    )  # fmt: skip

    def texts(self) -> dict[str, str | None]:
        """The plain fields; empty ones are None, but those that a contact always has."""
        found: dict[str, str | None] = {}
        for name in TEXTS:
            text = (self[name].data or "").strip()
            found[name] = text if text or name in ("email", "name", "first_name", "last_name") else None
        return found

    def custom(self) -> dict[str, Any]:
        """Key of a custom field -> what was written, None for nothing."""
        return {name.removeprefix(CUSTOM): _read(field) for name, field in self._fields.items() if name.startswith(CUSTOM)}


class NewContactForm(ContactForm):
    tags = _line("Tags", 1000, "Separated by commas. Tags that are not there yet are made.", autocapitalize="none")
    group_ids = SelectMultipleField("Groups", coerce=row_id, validate_choice=False)
    subscribed = BooleanField("May get campaigns", default=True)
    evidence = _line(
        "How they agreed", LONGEST_EVIDENCE, "Kept as evidence of consent, such as “Signed up at the spring fair, form no. 12”."
    )  # fmt: skip


def form_for(base: type[ContactForm], fields: Iterable[CustomField], contact: Contact | None = None, **given: Any) -> Any:
    """A form with the workspace's own fields, filled from a contact when there is one."""
    own = {f"{CUSTOM}{field.key}": _field(field) for field in fields}
    made: Any = type(base.__name__, (base,), own)
    values = dict(given)
    if contact is not None:
        values.update({name: getattr(contact, name) for name in (*TEXTS, "lead_score")})
        values.update({f"{CUSTOM}{key}": value for key, value in contact.custom_fields.items()})
    return made(data=values)


def _field(field: CustomField) -> Field:
    """The form's field for a custom field, by its type."""
    kw: dict[str, Any] = {**QUIET, **({"placeholder": field.placeholder} if field.placeholder else {})}
    options = [str(option) for option in field.options]
    made: Field
    match field.type:
        case "dropdown":
            choices = [SelectChoice("", "–"), *[SelectChoice(option, option) for option in options]]
            made = SelectField(field.label, choices=choices, validate_choice=False, default=field.default or "")
        case "multi_select":
            made = SelectMultipleField(field.label, choices=[SelectChoice(option, option) for option in options], validate_choice=False)
        case "checkbox":
            made = BooleanField(field.label, default=field.default in ("true", "1", "yes"))
        case "long_text":
            made = TextAreaField(field.label, default=field.default or "", render_kw={**kw, "rows": 4})
        case kind:
            shapes = {"date": {"type": "date"}, "number": {"inputmode": "decimal"}, "url": {"inputmode": "url"}}
            kw |= {**shapes, "email": {"inputmode": "email"}, "phone": {"inputmode": "tel"}}.get(kind, {})
            made = StringField(field.label, default=field.default or "", render_kw=kw)
    return made


def _read(field: Field) -> Any:
    if isinstance(field, BooleanField | SelectMultipleField):
        return field.data or None if isinstance(field, SelectMultipleField) else bool(field.data)
    return (field.data or "").strip() or None


def names_in(text: str | None) -> list[str]:
    """Tags as they were typed, by commas."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


class NoteForm(FlaskForm):
    text = TextAreaField(
        "Note", [DataRequired("Write something."), Length(max=LONGEST_NOTE, message=f"At most {LONGEST_NOTE:,} characters.")],
        render_kw={"rows": 2},
    )  # fmt: skip


class ConsentForm(FlaskForm):
    """Subscribing somebody again."""

    evidence = StringField(
        "How they agreed", [DataRequired("Write how they agreed; it is kept as evidence."), Length(max=LONGEST_EVIDENCE)],
        render_kw=QUIET, description="Such as “Asked for it by phone on 12 May”. It is kept as evidence of consent.",
    )  # fmt: skip


def offered(rows: Sequence[Any]) -> list[SelectChoice]:
    """Rows with id and name, for a select."""
    return [SelectChoice(row.id, row.name) for row in rows]
