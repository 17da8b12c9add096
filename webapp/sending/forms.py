"""The compose page's fields."""

from flask_wtf import FlaskForm
from wtforms import HiddenField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length


class ComposeForm(FlaskForm):  # type: ignore[misc, unused-ignore]
    mailbox_id = SelectField("From", coerce=int, validators=[DataRequired("Choose the mailbox that sends.")])
    receivers = StringField(
        "To", validators=[DataRequired("Write at least one address.")], render_kw={"autocomplete": "off", "inputmode": "email"},
        description="One address, or several with commas between.",
    )  # fmt: skip
    cc = StringField("Cc", render_kw={"autocomplete": "off", "inputmode": "email"})
    subject = StringField("Subject", validators=[Length(max=998, message="At most 998 characters.")], render_kw={"autocomplete": "off"})
    body = TextAreaField("Text", validators=[DataRequired("Write something.")], render_kw={"class": "tall"})
    #: the message that is answered
    reply = HiddenField()
