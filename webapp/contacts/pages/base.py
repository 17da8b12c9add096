"""The blueprint of the pages about contacts, and what several of them need."""

from typing import Any

from flask import Blueprint, current_app, url_for

from webapp.contacts.models import Contact
from webapp.contacts.tags import COLOR

bp = Blueprint("contacts", __name__)
#: how a contact came about, in words behind "Added …"
SOURCES = {
    "page": "by hand", "api": "by API", "import": "by an import", "mail": "from a mail that came in", "form": "by a form",
    "workflow": "by a workflow",
}  # fmt: skip
#: where consent was given or taken back
CONSENT_SOURCES = {
    "page": "by hand, on this server", "api": "by API", "import": "by an import", "form": "by a form", "one_click": "one-click unsubscribe",
    "link": "the unsubscribe page", "bounce": "a bounce", "complaint": "a spam complaint", "mail": "a mail that came in",
}  # fmt: skip


def tag_color(text: Any) -> str:
    """The color of a tag as an attribute of a drawing; what is none is painted like the text beside it."""
    return str(text) if COLOR.match(str(text)) else "currentColor"


def who(contact: Contact) -> str:
    return contact.name or contact.email


def link(endpoint: str, **values: Any) -> str | None:
    """The address of a page of another feature; None where that is not there."""
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else None
