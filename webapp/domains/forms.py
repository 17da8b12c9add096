"""Fields and labels of the domain pages. Shapes and bounds are those of the API's schemas."""

from typing import Any

from flask_wtf import FlaskForm
from marshmallow import Schema, ValidationError
from wtforms import BooleanField, IntegerField, RadioField, StringField
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, Length, NumberRange

from webapp.core.body import flatten
from webapp.core.errors import Invalid
from webapp.domains.keys import LONGEST_OVERLAP_DAYS, OVERLAP_DAYS
from webapp.domains.schemas import LONGEST_NOTE, DomainCreate, DomainPatch
from webapp.domains.schemas_dns import RotateIn

NOTE = [Length(max=LONGEST_NOTE, message=f"At most {LONGEST_NOTE} characters.")]


def checked(schema: Schema, given: dict[str, Any]) -> dict[str, Any]:
    """What the API would make of these values. raises Invalid about the fields that it refuses"""
    try:
        return dict(schema.load(given))
    except ValidationError as error:
        raise Invalid("Some fields need a change.", fields=flatten(error.messages)) from None


def text_or_none(value: str | None) -> str | None:
    """An empty field says nothing."""
    return (value or "").strip() or None


class DomainForm(FlaskForm):
    name = StringField(
        "Domain",
        validators=[DataRequired("Write the name of the domain, as in example.com.")],
        description="As in example.com. Its mailboxes get addresses that end in @ and this name.",
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "inputmode": "url"},
    )
    note = StringField("Note", validators=NOTE, description="For you and your colleagues.")

    def values(self) -> dict[str, Any]:
        """As `service.create_domain` takes them. raises Invalid"""
        return checked(DomainCreate(), {"name": self.name.data, "note": text_or_none(self.note.data)})


class DomainSettingsForm(FlaskForm):
    note = StringField("Note", validators=NOTE, description="For you and your colleagues.")
    catch_all_enabled = BooleanField("Catch mail for addresses that do not exist")
    catch_all_destination = StringField(
        "Caught mail goes to",
        description="The address of one of your mailboxes. Without a catch-all such mail is refused, and its sender is told.",
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "inputmode": "email"},
    )

    mail_elsewhere = BooleanField(
        "Mail for this domain is kept elsewhere",
        description="It then only sends from here: its mailboxes stop receiving, no MX is asked for, and nothing is deleted.",
    )

    refuse_unproven = BooleanField(
        "Refuse mail whose sender asks for it",
        description="Mail that neither SPF nor DKIM proves, from a domain whose DMARC policy is “reject”, is refused before it is taken. "
        "Without this it is taken and quarantined.",
    )

    def hosting(self) -> str:
        return "external" if self.mail_elsewhere.data else "trekmail"

    def changes(self) -> dict[str, Any]:
        """As `service.update_domain` takes them. raises Invalid"""
        enabled = bool(self.catch_all_enabled.data and not self.mail_elsewhere.data)
        catch_all = {"enabled": enabled, "destination": text_or_none(self.catch_all_destination.data)}
        refuse = bool(self.refuse_unproven.data)
        return checked(DomainPatch(), {"note": text_or_none(self.note.data), "catch_all": catch_all, "refuse_unproven": refuse})


class RotateForm(FlaskForm):
    algorithm = RadioField(
        "Kind", default="rsa",
        choices=[SelectChoice("rsa", "RSA, 2048 bits; every receiver checks it"), SelectChoice("ed25519", "Ed25519, beside the RSA key")],
    )  # fmt: skip
    overlap_days = IntegerField(
        "Days of overlap", default=OVERLAP_DAYS, validators=[NumberRange(0, LONGEST_OVERLAP_DAYS, f"0 to {LONGEST_OVERLAP_DAYS} days.")],
        description="For so long the record of the key before should stay, since mail that it signed may still be on its way.",
    )  # fmt: skip

    def values(self) -> dict[str, Any]:
        """As `keys.rotate` takes them. raises Invalid"""
        return checked(RotateIn(), {"algorithm": self.algorithm.data, "overlap_days": self.overlap_days.data})
