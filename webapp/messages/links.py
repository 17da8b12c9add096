"""What features above hang on the pages of mail: buttons beside a message, and beside the list.

    links.add("Reply", "reply", lambda message: url_for("sending.compose", reply_to=message.id), scope="messages:send", order=10)
"""

from collections.abc import Callable
from dataclasses import dataclass

from webapp.core.actor import Actor
from webapp.messages.models import Message


@dataclass(frozen=True)
class Link:
    """One way on from a message (or, with None, from the list).

    url      None: not offered for this message
    post     the address is posted to instead of opened
    """

    label: str
    icon: str
    url: Callable[[Message | None], str | None]
    scope: str | None = None
    order: int = 100
    post: bool = False
    on_list: bool = False


_links: dict[str, Link] = {}


def add(
    label: str, icon: str, url: Callable[[Message | None], str | None], *, scope: str | None = None, order: int = 100, post: bool = False,
    on_list: bool = False,
) -> None:  # fmt: skip
    """Called by `init_app` of the pages behind it; the same label again replaces the link."""
    _links[label] = Link(label, icon, url, scope, order, post, on_list)


def of(actor: Actor, message: Message | None) -> list[dict[str, object]]:
    """The links of a message, or (None) of the list: {label, icon, url, post, needs}; needs is the scope that is missing."""
    found: list[dict[str, object]] = []
    for link in sorted(_links.values(), key=lambda one: one.order):
        if link.on_list != (message is None) or not (url := link.url(message)):
            continue
        needs = link.scope if link.scope and not actor.may(link.scope) else None
        found.append({"label": link.label, "icon": link.icon, "url": url, "post": link.post, "needs": needs})
    return found
