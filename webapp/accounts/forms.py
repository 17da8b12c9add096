"""Fields, labels and choices of the people pages."""

from typing import Any

from flask_wtf import FlaskForm
from webapp.core.errors import HouseError
from webapp.core.scopes import ROLES as ROLE_NAMES
from wtforms import EmailField, PasswordField, SelectField, StringField
from wtforms.validators import DataRequired, Length

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


class SetupForm(FlaskForm):  # type: ignore[misc]
    name = StringField("Your name", validators=[Length(max=120)], render_kw={"autocomplete": "name"})
    email = EmailField("E-mail address", validators=[DataRequired("Write your address.")], render_kw={"autocomplete": "username"})
    password = PasswordField("Password", validators=[DataRequired("Choose a password.")], render_kw={"autocomplete": "new-password"})
    workspace = StringField("Workspace", default="Main", validators=[DataRequired("Give the workspace a name."), Length(max=80)])


class LoginForm(FlaskForm):  # type: ignore[misc]
    email = EmailField("E-mail address", validators=[DataRequired("Write your address.")], render_kw={"autocomplete": "username"})
    password = PasswordField("Password", validators=[DataRequired("Write your password.")], render_kw={"autocomplete": "current-password"})


class ResetForm(FlaskForm):  # type: ignore[misc]
    password = PasswordField("New password", validators=[DataRequired("Choose a password.")], render_kw={"autocomplete": "new-password"})


class ProfileForm(FlaskForm):  # type: ignore[misc]
    name = StringField("Name", validators=[Length(max=120)], render_kw={"autocomplete": "name"})


class PasswordForm(FlaskForm):  # type: ignore[misc]
    current = PasswordField("Current password", validators=[DataRequired("Write your current password.")], render_kw={"autocomplete": "current-password"})
    new = PasswordField("New password", validators=[DataRequired("Choose a password.")], render_kw={"autocomplete": "new-password"})


class WorkspaceForm(FlaskForm):  # type: ignore[misc]
    name = StringField("Name", validators=[DataRequired("Give the workspace a name."), Length(max=80)])


class MemberForm(FlaskForm):  # type: ignore[misc]
    email = EmailField("E-mail address", validators=[DataRequired("Write the address.")])
    name = StringField("Name", validators=[Length(max=120)])
    role = SelectField("Role", default="agent")
    password = PasswordField("First password", render_kw={"autocomplete": "new-password"})
