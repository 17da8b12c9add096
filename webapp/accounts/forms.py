"""Fields, labels and choices of the people pages."""

from typing import Any

from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField, SelectField, StringField
from wtforms.validators import DataRequired, Length

from webapp.core.errors import HouseError
from webapp.core.scopes import ROLES as ROLE_NAMES

ROLES = {
    "viewer": "reads everything except secrets and the audit log",
    "agent": "also writes mail, runs test mail and makes tokens for itself",
    "admin": "also changes domains, mailboxes, routes and members, and reads the audit log",
    "owner": "may do everything",
}


def roles_up_to(role: str) -> list[str]:
    return list(ROLE_NAMES[: ROLE_NAMES.index(role) + 1])


def add_errors(form: FlaskForm, refused: HouseError, spare: str | None = None) -> None:
    """Put a service's refusal beside the fields it names; what names none goes to `spare` or the first field."""
    fields = refused.fields or {"": [refused.message]}
    for name, texts in fields.items():
        field: Any = getattr(form, name, None) or getattr(form, spare or "", None) or next(iter(form))
        field.errors = [*field.errors, *texts]


class SetupForm(FlaskForm):
    name = StringField("Your name", validators=[Length(max=120, message="At most 120 characters.")], render_kw={"autocomplete": "name"})
    workspace = StringField(
        "Workspace",
        default="Main",
        validators=[DataRequired("Give the workspace a name."), Length(max=80, message="At most 80 characters.")],
    )
    email = EmailField(
        "Mail address", validators=[DataRequired("Write your address.")], render_kw={"autocomplete": "username"},
        description="To sign in with. An address outside this server is best.",
    )  # fmt: skip
    password = PasswordField("Password", validators=[DataRequired("Choose a password.")], description="12 characters or more.")


class LoginForm(FlaskForm):
    email = EmailField("Mail address", validators=[DataRequired("Write your address.")], render_kw={"autocomplete": "username"})
    password = PasswordField("Password", validators=[DataRequired("Write your password.")], render_kw={"autocomplete": "current-password"})


class ResetForm(FlaskForm):
    password = PasswordField("New password", validators=[DataRequired("Choose a password.")], description="12 characters or more.")


class ProfileForm(FlaskForm):
    name = StringField("Name", validators=[Length(max=120, message="At most 120 characters.")], render_kw={"autocomplete": "name"})


class PasswordForm(FlaskForm):
    current = PasswordField(
        "Current password", validators=[DataRequired("Write your current password.")], render_kw={"autocomplete": "current-password"}
    )
    new = PasswordField("New password", validators=[DataRequired("Choose a password.")], description="12 characters or more.")


class WorkspaceForm(FlaskForm):
    name = StringField("Name", validators=[DataRequired("Give the workspace a name."), Length(max=80, message="At most 80 characters.")])


class MemberForm(FlaskForm):
    email = EmailField("Mail address", validators=[DataRequired("Write the address.")], render_kw={"autocomplete": "off"})
    name = StringField("Name", validators=[Length(max=120, message="At most 120 characters.")], render_kw={"autocomplete": "off"})
    role = SelectField("Role", default="agent", validate_choice=False)
    password = PasswordField(
        "First password",
        description="For somebody who has no account here yet; 12 characters or more. They change it on their account page.",
    )


class InviteForm(FlaskForm):
    email = EmailField("Mail address", validators=[DataRequired("Write the address.")], render_kw={"autocomplete": "off"})
    role = SelectField("Role", default="agent", validate_choice=False)


class JoinForm(FlaskForm):
    name = StringField("Your name", validators=[Length(max=120, message="At most 120 characters.")], render_kw={"autocomplete": "name"})
    password = PasswordField("Password", validators=[DataRequired("Choose a password.")], description="12 characters or more.")


class ForgotForm(FlaskForm):
    email = EmailField("Mail address", validators=[DataRequired("Write your address.")], render_kw={"autocomplete": "username"})
