"""What lies in mailboxes, told by the features above: how much of it there is, and whether a mailbox is empty enough to go for good."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from webapp.mailboxes.models import Mailbox


@dataclass(frozen=True)
class Content:
    """One kind of thing that hangs on mailboxes.

    noun, plural  for people: "route", "routes"
    count         how many hang on the mailboxes whose ids a SELECT gives
    remains       whether something of it has to be removed before the mailbox; None: it goes with the mailbox
    """

    noun: str
    plural: str
    count: Callable[[Any], int]
    remains: Callable[[int], bool] | None = None


_contents: dict[str, Content] = {}


def add(content: Content) -> None:
    """Called when the application starts; the same noun again replaces it."""
    _contents[content.noun] = content


def count(ids: Any) -> list[tuple[int, str]]:
    """(number, word) of everything that hangs on these mailboxes, nothing left out."""
    found = [(content.count(ids), content) for content in _contents.values()]
    return [(number, content.noun if number == 1 else content.plural) for number, content in found]


def is_empty(mailbox: Mailbox) -> bool:
    """Whether nothing is left that has to go before the mailbox itself."""
    return not any(content.remains(mailbox.id) for content in _contents.values() if content.remains is not None)
