"""Fields of the pages around signing in: the second step, the second factor, the rule of a workspace."""

from flask_wtf import FlaskForm
from wtforms import BooleanField, HiddenField, StringField
from wtforms.validators import DataRequired, Length

CODE_LOOK = {"autocomplete": "one-time-code", "inputmode": "numeric", "maxlength": 9}


class CodeForm(FlaskForm):
    """The second step of signing in: one of the two."""

    code = StringField("Code of your authenticator app", render_kw=CODE_LOOK, description="Six digits; each code works once.")
    recovery = StringField(
        "Recovery code", render_kw={"autocomplete": "off", "maxlength": 40, "spellcheck": "false"},
        description="One that you did not use yet.",
    )  # fmt: skip


class TurnOnForm(FlaskForm):
    begun = HiddenField(validators=[DataRequired(), Length(max=2000)])
    code = StringField(
        "Code that the app shows", validators=[DataRequired("Write the six digits that the app shows.")], render_kw=CODE_LOOK,
        description="Six digits. They prove that the app has the key.",
    )  # fmt: skip


class PlainForm(FlaskForm):
    """Nothing but the button."""


class RuleForm(FlaskForm):
    required = BooleanField("Every member needs a second factor")
