"""The form that makes a token: scopes by family, presets, life by kind."""

from typing import Any

from flask_wtf import FlaskForm
from wtforms import HiddenField, RadioField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length

from webapp.core.actor import Actor
from webapp.core.scopes import PRESETS, ROLES, SCOPES, families
from webapp.tokens.bounds import MESSAGE_SCOPES
from webapp.tokens.reach import reach

KINDS = {
    "ops": ("ops", "For programs: domains, mailboxes, mail, routes"),
    "workspace": ("workspace", "For a short while, as yourself"),
    "message": ("message", "One mailbox's messages and nothing else"),
}
LIVES = (
    ("", "As usual: 90 days, a workspace token 4 hours"), ("3600", "In 1 hour"), ("604800", "In 7 days"), ("2592000", "In 30 days"),
    ("7776000", "In 90 days"), ("31536000", "In 1 year"), ("0", "Never"),
)  # fmt: skip
PRESET_NOTES = {"send": "Mail, by API or SMTP", "read": "Nothing can change", "full": "All that you may do", "own": "Pick scopes below"}
EVERYTHING = "Everything"


class TokenForm(FlaskForm):
    name = StringField(
        "Name",
        validators=[DataRequired("Give the token a name."), Length(max=120, message="At most 120 characters.")],
        description="What uses it. You will look for this name in the audit log.",
    )
    expires = SelectField(
        "Expires",
        choices=[SelectChoice(seconds, words) for seconds, words in LIVES],
        default="",
        description="When it ends, calls with it answer 401.",
    )
    kind = RadioField("Kind", default="ops")
    mailbox_id = SelectField("Mailbox of a message token", default="", validate_choice=False)
    preset = RadioField("Preset", default="send")
    scopes = SelectMultipleField("Scopes", validate_choice=False, description="Scopes that are picked count; without any, the preset does.")
    picked = HiddenField(default="")
    allowed_ips = TextAreaField(
        "Allowed addresses", render_kw={"rows": "3"}, description="One address or network per line. Empty allows all."
    )

    def offer(self, actor: Actor) -> None:
        """Fill in what this person may choose."""
        mailboxes = reach.mailboxes(actor, None) if actor.may("mailboxes:read") else []
        kinds = [name for name in KINDS if name != "message" or mailboxes]
        self.kind.choices = [SelectChoice(name, KINDS[name][0], render_kw={"note": KINDS[name][1]}) for name in kinds]
        self.mailbox_id.choices = [SelectChoice("", "None"), *[SelectChoice(str(number), name) for number, name in mailboxes]]
        if not mailboxes:
            del self.mailbox_id
        presets = [(name, label) for name, (label, _) in PRESETS.items()]
        order = {name: number for number, name in enumerate(("send", "read", "full", "own"))}
        presets = sorted([*presets, ("own", "Own choice")], key=lambda pair: order[pair[0]])
        self.preset.choices = [SelectChoice(name, label, render_kw={"note": PRESET_NOTES[name]}) for name, label in presets]
        self.scopes.choices = scope_choices(actor)
        if not actor.has_role("admin"):
            self.scopes.description = f"{self.scopes.description} Greyed ones need the role admin; yours is {actor.role}."

    def wanted_scopes(self) -> list[str]:
        """The scopes that were asked for: the picked ones, else those of the preset. Empty when neither says anything."""
        if self.scopes.data or self.picked.data or self.preset.data not in PRESETS:
            return list(self.scopes.data or [])
        return of_preset(self.preset.data, self.kind.data)

    def values(self) -> dict[str, Any]:
        """Arguments for `create_token`."""
        mailbox = str(self.mailbox_id.data or "") if "mailbox_id" in self else ""
        return {
            "name": self.name.data or "", "kind": self.kind.data, "scopes": self.wanted_scopes(),
            "expires_in": int(self.expires.data) if self.expires.data else None,
            "allowed_ips": [line.strip() for line in (self.allowed_ips.data or "").splitlines() if line.strip()],
            "mailbox_id": int(mailbox) if mailbox.isdigit() and self.kind.data == "message" else None,
        }  # fmt: skip


def scope_choices(actor: Actor) -> list[SelectChoice]:
    """Every scope by family; those above one's own role are shown, disabled."""
    found = [SelectChoice("*", "all scopes, also those that come later", optgroup=EVERYTHING)]
    for family, scopes in families().items():
        for scope in scopes:
            verb = scope.name.split(":", 1)[1]
            kw = {} if actor.has_role(scope.role) else {"disabled": True}
            found.append(SelectChoice(scope.name, verb, render_kw=kw, optgroup=family.capitalize()))
    return found


def of_preset(preset: str, kind: str) -> list[str]:
    """The scopes of a preset; for a message token those of them that it may hold, which is all three for full access."""
    wanted = PRESETS[preset][1]
    if kind != "message":
        return list(wanted)
    return sorted(MESSAGE_SCOPES if "*" in wanted else MESSAGE_SCOPES & set(wanted))


def preset_scopes(actor: Actor, preset: str, kind: str) -> list[str]:
    """What picking a preset ticks, without what the person's role does not have."""
    if preset not in PRESETS:
        return []
    return [name for name in of_preset(preset, kind) if name == "*" or ROLES.index(actor.role) >= ROLES.index(SCOPES[name].role)]
