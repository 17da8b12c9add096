"""From an audit entry to the page of what it is about, as far as that feature has one."""

from typing import Any

from flask import current_app, url_for

from webapp.audit.models import AuditEntry

#: target type -> (endpoint, name of its id)
PAGES = {
    "token": ("tokens.show_page", "token_id"),
    "domain": ("domains.show_page", "domain_id"),
    "mailbox": ("mailboxes.show_page", "mailbox_id"),
    "message": ("messages.show_page", "message_id"),
    "route": ("automation.show_route", "route_id"),
    "rule": ("automation.show_rule", "rule_id"),
    "action": ("automation.show_action", "action_id"),
    "delivery": ("sending.show", "delivery_id"),
}


def target_url(entry: AuditEntry) -> str | None:
    """None for what has no page of its own, or is gone by this very entry."""
    endpoint, name = PAGES.get(entry.target_type, ("", ""))
    if entry.target_id is None or endpoint not in current_app.view_functions or entry.action.endswith((".delete", ".purge")):
        return None
    values: dict[str, Any] = {name: entry.target_id}
    return url_for(endpoint, **values)
