"""Search over everything that the actor may see: mail through its index, names through one statement, pages from the menu."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from webapp.audit import service as audit
from webapp.audit.models import AuditEntry
from webapp.contacts import listing as contacts
from webapp.contacts import words as contact_words
from webapp.contacts.standing import state_of
from webapp.core.actor import Actor
from webapp.core.errors import Invalid, invalid
from webapp.core.paging import PageRequest
from webapp.messages import service as messages
from webapp.search import places, sources
from webapp.search.language import BOXES, KINDS, Query, parse

LABELS = {
    "page": "Pages", "mail": "Mail", "contact": "Contacts", "group": "Contact groups", "tag": "Tags", "segment": "Segments",
    "mailbox": "Mailboxes", "domain": "Domains", "route": "Routes", "rule": "Rules",
    "action": "Actions", "token": "Tokens", "member": "Members", "audit": "Audit log",
}  # fmt: skip
#: hits of one kind that are counted at most
COUNTED = 100
#: a text that is the id of a request
REQUEST_ID = re.compile(r"req_[0-9A-Za-z]{8,64}")


@dataclass(frozen=True)
class Hit:
    """One thing that was found. Pages have an endpoint instead of an id."""

    kind: str
    id: int | None
    name: str
    detail: str = ""
    state: str | None = None
    at: datetime | None = None
    endpoint: str | None = None


@dataclass
class Group:
    """Hits of one kind, as many as were asked for, and how many there are; `capped`: there are more than `total`."""

    kind: str
    label: str
    items: list[Hit]
    total: int
    capped: bool = False
    #: narrows the list of the kind to these hits: the mailbox that was named, the token whose entries these are
    narrowed_by: int | None = None


@dataclass
class Found:
    query: Query
    groups: list[Group] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def number(self) -> int:
        return sum(group.total for group in self.groups)


def find(actor: Actor, text: str, most: int = 5) -> Found:
    """What there is for a text, by kind.

    most    hits shown of each kind
    raises  Invalid (field `q`) for a date that is none and for more than 20 words of mail
    """
    query = parse(text)
    found = Found(query, notes=query.notes)
    groups: dict[str, Group] = {}
    if query.asks("page"):
        _add(groups, "page", [Hit("page", None, place.name, place.group, endpoint=place.endpoint) for place in _places(actor, query)], most)
    _add_names(actor, query, groups, most)
    if query.asks("contact") and actor.may("contacts:read"):
        _add_contacts(actor, query, groups, most)
    if query.asks("mail") and actor.may("archives:read"):
        _add_mail(actor, query, found, groups, most)
    if query.asks("audit") and actor.may("audit:read"):
        _add_audit(actor, query, groups, most)
    found.groups = [groups[kind] for kind in KINDS if kind in groups]
    return found


def _places(actor: Actor, query: Query) -> list[places.Place]:
    """Pages are for people; a token opens none."""
    return places.find(actor, query.words) if actor.type == "user" else []


def _add(groups: dict[str, Group], kind: str, hits: list[Hit], most: int, total: int | None = None, capped: bool = False) -> None:
    if hits:
        groups[kind] = Group(kind, LABELS[kind], hits[:most], len(hits) if total is None else total, capped)


def _add_names(actor: Actor, query: Query, groups: dict[str, Group], most: int) -> None:
    """Everything that is found by its name."""
    words = [query.token] if query.token else query.words
    kinds = [kind for kind in sources.SCOPES if query.asks(kind)]
    by_kind: dict[str, list[Hit]] = {}
    for row in sources.names(actor, kinds, words, COUNTED + 1) if words else ():
        by_kind.setdefault(row.kind, []).append(Hit(row.kind, row.id, row.name, row.detail, row.state))
    for kind, hits in by_kind.items():
        _add(groups, kind, hits, most, min(len(hits), COUNTED), len(hits) > COUNTED)


def _add_contacts(actor: Actor, query: Query, groups: dict[str, Group], most: int) -> None:
    """People, through the index of their words."""
    typed = " ".join(query.words)
    page = contacts.list_contacts(actor, PageRequest(per_page=most), {"search": typed}) if contact_words.asked(typed) else None
    if page is not None and page.items:
        hits = [Hit("contact", row.id, row.name or row.email, _person(row), state_of(row), row.created_at) for row in page.items]
        _add(groups, "contact", hits, most, page.total, page.total_is_capped)


def _person(row: Any) -> str:
    return " · ".join(filter(None, (row.email if row.name else "", row.company)))[:120]


def _add_mail(actor: Actor, query: Query, found: Found, groups: dict[str, Group], most: int) -> None:
    mailbox_id = None
    if query.mailbox:
        mailbox_id = _mailbox(actor, query, found)
        if mailbox_id is None:
            return
    filters: dict[str, Any] = {**BOXES.get(query.box, {}), "search": query.mail}
    try:
        page = messages.list_archive(actor, mailbox_id, filters, PageRequest(per_page=most))
    except Invalid as refused:
        raise invalid("q", (refused.fields.get("search") or [refused.message])[0]) from None
    hits = [
        Hit("mail", row.id, row.subject or "(no subject)", _about(row), "unread" if not row.seen else None, row.created_at)
        for row in page.items
    ]
    _add(groups, "mail", hits, most, page.total, page.total_is_capped)
    if "mail" in groups:
        groups["mail"].narrowed_by = mailbox_id


def _about(row: Any) -> str:
    """Who wrote to whom."""
    if row.direction == "sent":
        return f"to {row.receivers_text or row.recipient or 'nobody'}"[:120]
    return f"{row.sender_name or row.sender or row.envelope_sender} to {row.mailbox or row.recipient or 'nobody'}"[:120]


def _mailbox(actor: Actor, query: Query, found: Found) -> int | None:
    """The mailbox that `mailbox:` means: the one with this address, else the only one that has it in its address."""
    if not actor.may("mailboxes:read"):
        found.notes.append("mailbox: needs the scope mailboxes:read.")
        return None
    rows = sources.names(actor, ["mailbox"], [query.mailbox], COUNTED + 1)
    exact = [row for row in rows if query.mailbox.lower() in (row.name, row.name.partition("@")[0])]
    if len(exact) == 1 or len(rows) == 1:
        return int((exact if len(exact) == 1 else rows)[0].id)
    if rows:
        some = ", ".join(row.name for row in rows[:3])
        found.notes.append(f"mailbox:{query.mailbox[:60]} stands for {len(rows)} mailboxes, among them {some}. Write more of the address.")
    else:
        found.notes.append(f"There is no mailbox with “{query.mailbox[:60]}” in its address.")
    return None


def _add_audit(actor: Actor, query: Query, groups: dict[str, Group], most: int) -> None:
    """What the one token of a name did; what one request did."""
    filters: dict[str, Any] = {}
    if query.token:
        tokens = [hit for hit in groups["token"].items if hit.id] if "token" in groups else []
        if len(tokens) != 1:
            return
        filters = {"token_id": tokens[0].id}
    elif REQUEST_ID.fullmatch(query.text):
        filters = {"request_id": query.text}
    else:
        return
    page = audit.search(actor, filters, PageRequest(per_page=most))
    hits = [_entry(entry) for entry in page.items]
    _add(groups, "audit", hits, most, page.total or len(hits), page.total_is_capped)
    if "audit" in groups:
        groups["audit"].narrowed_by = filters.get("token_id")


def _entry(entry: AuditEntry) -> Hit:
    return Hit("audit", entry.id, f"{entry.actor} {entry.verb} {entry.target}".strip()[:200], entry.action, entry.state or None, entry.at)
