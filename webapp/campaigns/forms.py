"""Forms of campaigns: the first few words, the editor, the test copy, the schedule."""

from typing import Any

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    HiddenField,
    IntegerField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields import SelectChoice
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from webapp.campaigns.accounts import Account
from webapp.campaigns.checks import FASTEST, MOST_BODY
from webapp.campaigns.reach import Offered
from webapp.campaigns.starts import STARTS

CODE = {"spellcheck": "false", "autocapitalize": "off", "autocomplete": "off", "wrap": "off"}
ZONE = "The zone is that of your browser unless you choose another."


def _account_id(value: Any) -> int | None:
    return int(value) if str(value or "").isdecimal() else None


def _accounts(accounts: list[Account]) -> list[SelectChoice]:
    return [SelectChoice(one.id, f"{one.email}{_aside(one)}") for one in accounts]


def _aside(account: Account) -> str:
    """What stands in the way of an account, behind its address."""
    if not account.can_send:
        return " (may not send now)"
    return "" if account.verified else " (domain not verified)"


class NewForm(FlaskForm):
    name = StringField(
        "Name", [InputRequired("Give it a name."), Length(max=200)], description="For your team; readers see the subject instead.",
        render_kw={"placeholder": "March newsletter"},
    )  # fmt: skip
    mailbox_id = SelectField("Sending account", coerce=_account_id, validate_choice=False)
    start = RadioField("Begin with", default="news")

    def offer(self, accounts: list[Account]) -> None:
        self.mailbox_id.choices = _accounts(accounts)
        self.start.choices = [SelectChoice(key, one.label, render_kw={"note": one.note}) for key, one in STARTS.items()]


class LetterForm(FlaskForm):
    """The editor. What is fixed once sending began is shown and not read."""

    name = StringField("Name", [InputRequired("Give it a name."), Length(max=200)], description="For your team.")
    mailbox_id = SelectField("Sending account", coerce=_account_id, validate_choice=False, description="Its limits and its way out count.")
    from_name = StringField("Sender's name", [Length(max=200)])
    from_email = StringField("Sender's address", [Length(max=254)], description="At a verified domain, or the account's own.")
    reply_to = StringField("Answers go to", [Length(max=254)], description="Left empty: to the sender's address.")
    subject = StringField("Subject", [Length(max=998)], description="May hold merge tags.")
    preheader = StringField("Preheader", [Length(max=255)], description="What mail programs show after the subject.")
    group_ids = SelectMultipleField("Groups", coerce=int, validate_choice=False)
    segment_ids = SelectMultipleField("Segments", coerce=int, validate_choice=False)
    exclude_group_ids = SelectMultipleField("Not these groups", coerce=int, validate_choice=False)
    exclude_segment_ids = SelectMultipleField("Not these segments", coerce=int, validate_choice=False)
    body_format = RadioField("Source", choices=[SelectChoice("html", "HTML"), SelectChoice("mjml", "MJML")], default="html")
    body_html = TextAreaField("Letter", [Length(max=MOST_BODY)], render_kw={**CODE, "class": "source", "rows": 24})
    body_text = TextAreaField(
        "Text part", [Length(max=MOST_BODY)], render_kw={"rows": 8, "class": "source"},
        description="For mail programs that show no HTML. Left empty, it is made from the letter.",
    )  # fmt: skip
    track_opens = BooleanField("Count opens", description="By a picture of one pixel. Programs that load it are counted apart.")
    track_clicks = BooleanField("Count clicks", description="Links lead over this server.")
    web_view = BooleanField("Readable in a browser", description="By the link of each copy.")
    send_rate = IntegerField(
        "Most mails a minute", [Optional(), NumberRange(1, FASTEST)], description="Left empty: as fast as receiving servers take it.",
        render_kw={"inputmode": "numeric"},
    )  # fmt: skip
    preview_as = StringField("Preview as", [Length(max=254)], render_kw={"list": "examples", "placeholder": "a made-up person"})
    stamp = HiddenField()

    def offer(self, accounts: list[Account], groups: list[Offered], segments: list[Offered]) -> None:
        self.mailbox_id.choices = [SelectChoice("", "Choose an account"), *_accounts(accounts)]
        for field, rows in (
            (self.group_ids, groups), (self.exclude_group_ids, groups), (self.segment_ids, segments), (self.exclude_segment_ids, segments),
        ):  # fmt: skip
            field.choices = [SelectChoice(one.id, one.name if one.number is None else f"{one.name} ({one.number:,})") for one in rows]

    def values(self) -> dict[str, Any]:
        """The columns of a campaign as they were typed."""
        skipped = ("csrf_token", "preview_as", "stamp")
        found = {name: field.data for name, field in self._fields.items() if name not in skipped}
        texts = {name: (found[name] or "").replace("\r\n", "\n") for name in ("body_html", "body_text")}  # browsers send CRLF
        return {**found, **texts, "from_email": (self.from_email.data or "").strip(), "subject": self.subject.data or ""}


class TestForm(FlaskForm):
    emails = StringField(
        "To", [InputRequired("Write at least one address."), Length(max=1400)], description="Up to five, with commas between them.",
    )  # fmt: skip
    preview_as = StringField("Filled in for", [Length(max=254)], description="Address of a contact. Left empty: a made-up person.")


class ScheduleForm(FlaskForm):
    schedule_at = StringField("Day and time", [InputRequired("Choose when.")], render_kw={"type": "datetime-local"})
    schedule_zone = SelectField("Zone", validate_choice=False, description=ZONE, render_kw={"data-zone-choice": ""})
