"""The forms that change a token: what it loses, and for how long a rotated one works on."""

from typing import Any

from flask_wtf import FlaskForm
from wtforms import RadioField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length

from webapp.core.actor import Actor
from webapp.core.scopes import SCOPES, covers
from webapp.tokens.forms import ends_at, lines, offer_reach, shows_limits
from webapp.tokens.models import ApiToken

OVERLAPS = (
    ("0", "None", "The old value stops now"), ("3600", "1 hour", "Time to change a program"), ("86400", "1 day", "Time for a roll-out"),
    ("604800", "7 days", "The longest"),
)  # fmt: skip
SOONER = (("", "As it is"), ("3600", "In 1 hour"), ("86400", "In 1 day"), ("604800", "In 7 days"), ("2592000", "In 30 days"))


class RotateForm(FlaskForm):
    overlap = RadioField(
        "Both work for", default="86400",
        choices=[SelectChoice(seconds, label, render_kw={"note": note}) for seconds, label, note in OVERLAPS],
    )  # fmt: skip


class NarrowForm(FlaskForm):
    name = StringField(
        "Name",
        validators=[DataRequired("Give the token a name."), Length(max=120, message="At most 120 characters.")],
    )
    expires = SelectField("Ends", choices=[SelectChoice(*pair) for pair in SOONER], default="", description="Only sooner than it does.")
    scopes = SelectMultipleField("Scopes", validate_choice=False, description="Cleared ones are lost for good.")
    domain_ids = SelectMultipleField("Only these domains", validate_choice=False)
    mailbox_ids = SelectMultipleField("Only these mailboxes", validate_choice=False)
    allowed_ips = TextAreaField(
        "Allowed addresses", render_kw={"rows": "3"}, description="One address or network per line. Empty allows all."
    )

    def offer(self, actor: Actor, token: ApiToken) -> None:
        """Only what the token has can be kept."""
        self.scopes.choices = [_box(name) for name in held(token)]
        if token.kind == "message":
            del self.domain_ids, self.mailbox_ids
        else:
            offer_reach(self, actor, token.domain_ids, token.mailbox_ids)

    def show(self, token: ApiToken) -> None:
        """The token as it is."""
        self.name.data, self.scopes.data = token.name, held(token)
        self.allowed_ips.data = "\n".join(token.allowed_ips or [])
        for field in ("domain_ids", "mailbox_ids"):
            if field in self:
                self[field].data = [str(number) for number in getattr(token, field) or []]

    @property
    def is_limited(self) -> bool:
        """Whether the part with limits is to be shown open."""
        return shows_limits(self)

    def changes(self, token: ApiToken) -> dict[str, Any]:
        """Arguments for `update_token`: only what differs, so that a token with `*` keeps it as long as nothing is taken away."""
        found: dict[str, Any] = {"name": self.name.data}
        if set(self.scopes.data or []) != set(held(token)):
            found["scopes"] = list(self.scopes.data or [])
        if self.expires.data:
            found["expires_at"] = ends_at(self.expires.data)
        for field in ("domain_ids", "mailbox_ids"):
            if field in self:
                chosen = sorted(int(text) for text in self[field].data or [] if text.isdigit())
                if chosen != sorted(getattr(token, field) or []):
                    found[field] = chosen
        networks = lines(self.allowed_ips.data)
        if networks != (token.allowed_ips or []):
            found["allowed_ips"] = networks
        return found


def _box(name: str) -> SelectChoice:
    """The verb of a scope, in the group of its family."""
    family, _, verb = name.partition(":")
    return SelectChoice(name, verb or "all", optgroup=family.capitalize())


def held(token: ApiToken) -> list[str]:
    """Its scopes one by one, families and `*` spelled out."""
    granted = frozenset(token.scopes)
    allowed = [name for name in SCOPES if covers(granted, name)]
    return allowed or sorted(granted)


