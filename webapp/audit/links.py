"""From an audit entry to the page of what it is about; what has no page of its own leads to everything that the log says of it."""

from flask import current_app, url_for

from webapp.audit.models import AuditEntry

#: target type -> (endpoint, name of its id; None for a page that shows all of the kind)
PAGES: dict[str, tuple[str, str | None]] = {
    "token": ("tokens.show_page", "token_id"),
    "domain": ("domains.show_page", "domain_id"),
    "mailbox": ("mailboxes.show_page", "mailbox_id"),
    "message": ("messages.show_page", "message_id"),
    "route": ("automation.show_route", "route_id"),
    "rule": ("automation.show_rule", "rule_id"),
    "action": ("automation.show_action", "action_id"),
    "run": ("runs.show_page", "run_id"),
    "delivery": ("sending.show", "delivery_id"),
    "member": ("accounts.members", None),
    "invitation": ("accounts.members", None),
    "catcher": ("catcher.list_page", None),
    "campaign": ("campaigns.show_page", "campaign_id"),
    "contact": ("contacts.show_page", "contact_id"),
    "contact_group": ("contact_groups.show_page", "group_id"),
    "tag": ("contact_tags.edit_page", "tag_id"),
    "custom_field": ("contact_fields.edit_page", "field_id"),
}
#: verbs after which the thing is not there any more
GONE = (".delete", ".purge", ".give_up", ".erase")


def target_url(entry: AuditEntry) -> str | None:
    """The page of what the entry is about; None where there is none, or where it is gone by this very entry."""
    endpoint, name = PAGES.get(entry.target_type, ("", None))
    if entry.target_id is None or endpoint not in current_app.view_functions or entry.action.endswith(GONE):
        return None
    return url_for(endpoint) if name is None else url_for(endpoint, **{name: entry.target_id})  # type: ignore[arg-type]


def story_url(entry: AuditEntry) -> str | None:
    """Everything that the log says about the same thing; None for what has no id, such as a request."""
    if entry.target_id is None:
        return None
    return url_for("audit.list_page", target_type=entry.target_type, target_id=entry.target_id)
