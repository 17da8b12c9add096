"""Pages that search finds: everything in the menu, and what people look for under other words."""

from dataclasses import dataclass

from webapp.core import menu
from webapp.core.actor import Actor


@dataclass(frozen=True)
class Place:
    """A page: its name, where it stands in the menu, its endpoint."""

    name: str
    group: str
    endpoint: str


#: (name, endpoint, scope, other words for it) of pages that stand in no menu
MORE: tuple[tuple[str, str, str | None, str], ...] = (
    ("Your account", "accounts.profile", None, "profile name password sign-in sessions browsers time zone"),
    ("Sign-in and second factor", "accounts.security", None, "2fa totp authenticator one-time code recovery codes passkey security"),
    ("Create token", "tokens.new_page", "tokens:write", "api key secret bearer smtp password"),
    ("Add domain", "domains.new_page", "domains:create", "dns mx spf dkim dmarc new"),
    ("Add mailbox", "mailboxes.new_page", "mailboxes:create", "address account new"),
    ("Create route", "automation.new_route", "routes:write", "rule condition action webhook forward automation new"),
    ("Invite people", "accounts.new_member", "workspaces:write", "member user colleague add role"),
    ("Add contact", "contacts.new_page", "contacts:write", "person subscriber new people"),
    ("Likely duplicates", "contacts.duplicates_page", "contacts:read", "merge twins same person contacts"),
    ("Erased people", "contacts.erasures_page", "contacts:erase", "gdpr forget privacy receipt erasure contacts"),
    ("Create workspace", "accounts.new_workspace", "workspaces:write", "team account tenant new"),
)
#: endpoint -> other words for a page of the menu
ALSO: dict[str, str] = {
    "dashboard.home": "start overview numbers checklist first steps",
    "messages.list_page": "inbox archive e-mail messages received",
    "compose.new_mail": "send new message draft",
    "sending.queue": "deliveries queue outgoing bounced deferred waiting attempts smtp log",
    "automation.list_routes": "rules conditions actions webhook forward automation filter",
    "runs.list_page": "log history executions failed webhook calls",
    "trials.test_page": "try replay dry run simulate",
    "mailbox_data.list_page": "variables csv upload receivers",
    "mailboxes.list_page": "addresses accounts limits quota smtp password",
    "domains.list_page": "dns records dkim spf dmarc mx verify",
    "accounts.members": "people users roles invite team owner admin agent viewer",
    "contacts.list_page": "people subscribers recipients audience customers",
    "contact_groups.list_page": "lists newsletter audience members",
    "contact_tags.list_page": "labels marks",
    "contact_fields.list_page": "attributes merge tags properties contacts",
    "trash.list_page": "deleted restore undo bin recycle",
    "tokens.list_page": "api keys secrets rotate revoke",
    "openapi.swagger": "rest reference documentation openapi swagger",
    "audit.list_page": "history who did what changes security log",
}


def find(actor: Actor, words: list[str]) -> list[Place]:
    """Pages that the actor may open and that have all words in their name, place or other words; names that begin with them first."""
    known = [(entry.label, entry.group, entry.endpoint, entry.scope, ALSO.get(entry.endpoint, "")) for entry in menu.entries()]
    known += [(name, "", endpoint, scope, also) for name, endpoint, scope, also in MORE]
    found = []
    for name, group, endpoint, scope, also in known:
        text = f"{name} {group} {also}".lower()
        if all(word in text for word in words) and (scope is None or actor.may(scope)):
            found.append((not name.lower().startswith(words[0]), name.lower(), Place(name, group if group != name else "", endpoint)))
    return [place for *_, place in sorted(found, key=lambda one: one[:2])]
