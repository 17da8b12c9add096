"""Every scope once: what it covers and the lowest role that may use it. Shown by the token page, the API and OpenAPI.

A scope is `family:verb`; a bare family grants all of that family, `*` grants all (DESIGN section 3).
"""

from dataclasses import dataclass

ROLES = ("viewer", "agent", "admin", "owner")


@dataclass(frozen=True)
class Scope:
    name: str
    role: str
    meaning: str

    @property
    def family(self) -> str:
        return self.name.split(":", 1)[0]


SCOPES: dict[str, Scope] = {
    name: Scope(name, role, meaning)
    for name, role, meaning in (
        ("account:read", "viewer", "See the workspace, its members and what the token itself may do"),
        ("workspaces:write", "admin", "Change the workspace and its members"),
        ("tokens:read", "viewer", "List tokens (never their values)"),
        ("tokens:write", "agent", "Create, narrow, rotate and revoke tokens"),
        ("audit:read", "admin", "Read and export the audit log"),
        ("audit:write", "owner", "Set how long the audit log is kept, and have its chain verified"),
        ("domains:read", "viewer", "List domains and their settings"),
        ("domains:create", "admin", "Add domains"),
        ("domains:write", "admin", "Change and verify domains"),
        ("domains:delete", "admin", "Delete domains"),
        ("domains:dns:read", "viewer", "See the DNS records that a domain needs"),
        ("domains:dns:recheck", "admin", "Look the DNS records up again"),
        ("mailboxes:read", "viewer", "List mailboxes and their settings"),
        ("mailboxes:create", "admin", "Create mailboxes"),
        ("mailboxes:write", "admin", "Change, pause and resume mailboxes"),
        ("mailboxes:delete", "admin", "Delete mailboxes"),
        ("mailboxes:message-tokens:manage", "agent", "List, create, narrow and revoke the message tokens of a mailbox"),
        ("archives:read", "viewer", "Read the mail archive of mailboxes"),
        ("archives:write", "agent", "Delete archived mail and replay it"),
        ("messages:read", "viewer", "Read messages"),
        ("messages:write", "agent", "Change flags and folders of messages"),
        ("messages:send", "agent", "Send mail as a mailbox, by API or SMTP"),
        ("rules:read", "viewer", "List rules"),
        ("rules:write", "admin", "Create, change and delete rules"),
        ("actions:read", "viewer", "List actions (secrets masked)"),
        ("actions:write", "admin", "Create, change and delete actions"),
        ("routes:read", "viewer", "List routes"),
        ("routes:write", "admin", "Create, change, order and delete routes"),
        ("testmail:run", "agent", "Run test mail, replay and dry runs"),
        ("data:read", "viewer", "Read mailbox data"),
        ("data:write", "admin", "Write mailbox data"),
        ("logs:read", "viewer", "Read route logs"),
        ("deliveries:read", "viewer", "See the outgoing queue and delivery attempts"),
        ("deliveries:write", "agent", "Retry, hold and cancel waiting deliveries"),
        ("events:read", "viewer", "Read the event stream: what happened to mail"),
        ("suppressions:read", "viewer", "See which addresses get no mail, and why"),
        ("suppressions:write", "admin", "Add, import and reactivate suppressed addresses"),
        ("campaigns:read", "viewer", "See campaigns, their recipients and their figures"),
        ("campaigns:write", "agent", "Write, change, duplicate and delete campaigns, and send test copies of them"),
        ("campaigns:send", "admin", "Send, schedule, pause, resume and cancel campaigns"),
        ("contacts:read", "viewer", "See contacts, tags, contact groups, custom fields and segments"),
        ("contacts:write", "agent", "Add, change, tag and group contacts, and import them"),
        ("contacts:delete", "agent", "Delete contacts, tags and contact groups for good"),
        ("contacts:export", "admin", "Export contacts, and all that is kept about one of them"),
        ("contacts:erase", "admin", "Erase a person: contact, history and, by choice, mail"),
        ("catcher:read", "viewer", "Read what came to the request catcher"),
        ("catcher:write", "agent", "Open, empty and renew the request catcher"),
        ("trash:read", "viewer", "See what lies in the trash"),
        ("health:read", "admin", "See how the installation is: queues, disks, clock, services, and its figures"),
        ("trash:write", "admin", "Restore from the trash"),
    )
}

#: scopes that reach all of a workspace, so a token that is limited to domains or mailboxes does not get through with them
WHOLE_WORKSPACE = frozenset({
    "workspaces:write", "audit:read", "audit:write", "domains:create", "health:read", "suppressions:read", "suppressions:write",
    "contacts:read", "contacts:write", "contacts:delete", "contacts:export", "contacts:erase",
    "campaigns:read", "campaigns:write", "campaigns:send",
    "trash:read", "trash:write",
})
#: scopes that reach all of a domain, so a token that is limited to mailboxes does not get through with them
WHOLE_DOMAIN = frozenset({"domains:write", "domains:delete", "domains:dns:recheck", "mailboxes:create"})

#: presets of the token page: name -> (label, scopes)
PRESETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "full": ("Full access", ("*",)),
    "read": ("Read only", tuple(name for name, scope in SCOPES.items() if scope.role == "viewer")),
    "send": ("Send only", ("messages:send",)),
}


def families() -> dict[str, list[Scope]]:
    """Scopes by family, in the order of the table."""
    grouped: dict[str, list[Scope]] = {}
    for scope in SCOPES.values():
        grouped.setdefault(scope.family, []).append(scope)
    return grouped


def is_known(name: str) -> bool:
    return name == "*" or name in SCOPES or any(scope.family == name for scope in SCOPES.values())


def covers(granted: frozenset[str], wanted: str) -> bool:
    """Whether a set of granted scopes, with bare families and `*`, covers one wanted scope (or bare family)."""
    return "*" in granted or wanted in granted or wanted.split(":", 1)[0] in granted


def effective(granted: frozenset[str], role: str) -> list[str]:
    """The scopes that a grant really gives to somebody of that role."""
    return [s.name for s in SCOPES.values() if covers(granted, s.name) and ROLES.index(role) >= ROLES.index(s.role)]
