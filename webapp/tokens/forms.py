"""The form that makes a token: scopes by family, presets, life by kind."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from flask_wtf import FlaskForm
from wtforms import HiddenField, RadioField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length

from webapp.core.actor import Actor
from webapp.core.db import utcnow
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
REACH = ("domain_ids", "mailbox_ids")
#: as many names as `reach` hands out at once
MOST_OFFERED = 200


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
    domain_ids = SelectMultipleField("Only these domains", validate_choice=False)
    mailbox_ids = SelectMultipleField("Only these mailboxes", validate_choice=False)
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
        offer_reach(self, actor)
        presets = [(name, label) for name, (label, _) in PRESETS.items()]
        order = {name: number for number, name in enumerate(("send", "read", "full", "own"))}
        presets = sorted([*presets, ("own", "Own choice")], key=lambda pair: order[pair[0]])
        self.preset.choices = [SelectChoice(name, label, render_kw={"note": PRESET_NOTES[name]}) for name, label in presets]
        self.scopes.choices = scope_choices(actor)
        if not actor.has_role("admin"):
            self.scopes.description = f"{self.scopes.description} Greyed ones need the role admin; yours is {actor.role}."

    def begin_with(self, given: Mapping[str, str]) -> None:
        """What a link to this form says already: kind and mailbox."""
        if given.get("kind") in KINDS:
            self.kind.data = given["kind"]
        if "mailbox_id" in self and given.get("mailbox_id", "").isdigit():
            self.mailbox_id.data = given["mailbox_id"]

    @property
    def is_limited(self) -> bool:
        """Whether the part with limits is to be shown open."""
        return shows_limits(self)

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
            "allowed_ips": lines(self.allowed_ips.data),
            **({} if self.kind.data == "message" else {field: picked_ids(self, field) for field in REACH}),
            "mailbox_id": int(mailbox) if mailbox.isdigit() and self.kind.data == "message" else None,
        }  # fmt: skip


def offer_reach(form: Any, actor: Actor, domain_ids: list[int] | None = None, mailbox_ids: list[int] | None = None) -> None:
    """Domains and mailboxes to tick; a field without any to offer is left out.

    domain_ids, mailbox_ids  those that a token is limited to already: no other is offered then
    """
    known = {"domain_ids": (reach.domains, domain_ids, "domains:read"), "mailbox_ids": (reach.mailboxes, mailbox_ids, "mailboxes:read")}
    for field, (names, ids, scope) in known.items():
        found = names(actor, ids) if actor.may(scope) else []
        if not found:
            del form[field]
            continue
        form[field].choices = [SelectChoice(str(number), name) for number, name in found]
        many = f" The first {MOST_OFFERED} are shown; the API takes any." if len(found) >= MOST_OFFERED else ""
        form[field].description = ("None ticked: no limit." if ids is None else "Cleared ones are lost for good.") + many


def shows_limits(form: Any) -> bool:
    """Whether a limit is chosen, or refused."""
    return any(form[field].data or form[field].errors for field in REACH if field in form)


def picked_ids(form: Any, field: str) -> list[int] | None:
    """The ticked ids; None for no limit."""
    chosen = [int(text) for text in form[field].data or [] if text.isdigit()] if field in form else []
    return chosen or None


def lines(text: str | None) -> list[str]:
    """The lines of a text field without empty ones."""
    return [line.strip() for line in (text or "").splitlines() if line.strip()]


def ends_at(seconds: str) -> datetime:
    return utcnow() + timedelta(seconds=int(seconds))


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
