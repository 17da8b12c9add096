"""What features above hang on the page of a mailbox: a line of links to its mail, routes, logs.

    links.add("Archive", "archive", lambda box: url_for("messages.archive_page", mailbox_id=box.id), scope="archives:read", order=10)
"""

from collections.abc import Callable
from dataclasses import dataclass

from webapp.core.actor import Actor
from webapp.mailboxes.models import Mailbox


@dataclass(frozen=True)
class Link:
    """One way on from a mailbox; shown to those who hold the scope."""

    label: str
    icon: str
    url: Callable[[Mailbox], str]
    scope: str | None = None
    order: int = 100


_links: dict[str, Link] = {}


def add(label: str, icon: str, url: Callable[[Mailbox], str], *, scope: str | None = None, order: int = 100) -> None:
    """Called by `init_app` of the pages behind it; the same label again replaces the link."""
    _links[label] = Link(label, icon, url, scope, order)


def of(actor: Actor, mailbox: Mailbox) -> list[dict[str, str]]:
    """The links for this person: label, icon, url."""
    chosen = sorted((link for link in _links.values() if link.scope is None or actor.may(link.scope)), key=lambda link: link.order)
    return [{"label": link.label, "icon": link.icon, "url": link.url(mailbox)} for link in chosen]
