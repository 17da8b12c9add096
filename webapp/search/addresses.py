"""Where the dashboard shows what was found, and the list of a kind with the same search in it."""

from typing import Any

from flask import current_app, url_for

from webapp.search.language import Query
from webapp.search.service import Found, Group, Hit

#: kind -> (endpoint of its page, name of the id there)
PAGES: dict[str, tuple[str, str]] = {
    "mail": ("messages.show_page", "message_id"),
    "contact": ("contacts.show_page", "contact_id"),
    "group": ("contact_groups.show_page", "group_id"),
    "segment": ("segments.show_page", "segment_id"),
    "mailbox": ("mailboxes.show_page", "mailbox_id"),
    "domain": ("domains.show_page", "domain_id"),
    "route": ("automation.show_route", "route_id"),
    "rule": ("automation.show_rule", "rule_id"),
    "action": ("automation.show_action", "action_id"),
    "token": ("tokens.show_page", "token_id"),
    "audit": ("audit.show_page", "entry_id"),
}
#: kind -> (endpoint of its list, name of the search there)
LISTS: dict[str, tuple[str, str]] = {
    "contact": ("contacts.list_page", "q"),
    "group": ("contact_groups.list_page", "q"),
    "tag": ("contact_tags.list_page", "q"),
    "mailbox": ("mailboxes.list_page", "q"),
    "domain": ("domains.list_page", "q"),
    "token": ("tokens.list_page", "q"),
    "member": ("accounts.members", "q"),
}


def of_hit(hit: Hit) -> str | None:
    """The page of one hit; None where it has none."""
    if hit.endpoint is not None:
        return url_for(hit.endpoint) if _there(hit.endpoint) else None
    if hit.kind == "member":
        return url_for("accounts.members", q=hit.name)
    if hit.kind == "tag":
        return url_for("contacts.list_page", tag=hit.name)
    endpoint, name = PAGES[hit.kind]
    values: dict[str, Any] = {name: hit.id}
    return url_for(endpoint, **values) if _there(endpoint) else None


def of_list(query: Query, group: Group) -> str | None:
    """The list of a kind, searched in the same way; None where all hits are here already, or the list has no such search."""
    if group.total <= len(group.items) and not group.capped:
        return None
    if group.kind == "mail":
        box = None if query.box == "inbox" else query.box or "archive"
        return url_for("messages.list_page", q=query.mail or None, mailbox=group.narrowed_by, box=box)
    if group.kind == "audit":
        asked: dict[str, Any] = {"token_id": group.narrowed_by} if group.narrowed_by else {"q": query.text}
        return url_for("audit.list_page", **asked)
    if group.kind not in LISTS:
        return None
    endpoint, name = LISTS[group.kind]
    searched: dict[str, Any] = {name: query.token or " ".join(query.words)}
    return url_for(endpoint, **searched)


def shown(found: Found) -> dict[str, Any]:
    """As the API answers it."""
    return {
        "query": found.query.text,
        "notes": found.notes,
        "groups": [
            {
                "kind": group.kind, "label": group.label, "total": group.total, "total_is_capped": group.capped,
                "items": [
                    {
                        "kind": hit.kind, "id": hit.id, "name": hit.name, "detail": hit.detail, "state": hit.state, "at": hit.at,
                        "page": of_hit(hit),
                    }
                    for hit in group.items
                ],
            }
            for group in found.groups
        ],
    }  # fmt: skip


def _there(endpoint: str) -> bool:
    return endpoint in current_app.view_functions
