"""How full mailboxes are. The numbers are counters which the archive keeps exact (`messages:<id>`, `messages:<id>:bytes`)."""

from collections.abc import Iterable
from typing import NamedTuple

from webapp.core import counters
from webapp.mailboxes.models import Mailbox

_KEY = "_usage"


class Usage(NamedTuple):
    """total: messages kept, sent and received; bytes: what they fill"""

    total: int
    bytes: int


def counter(mailbox_id: int, kind: str = "") -> str:
    return f"messages:{mailbox_id}" + (f":{kind}" if kind else "")


def load(mailboxes: Iterable[Mailbox]) -> None:
    """Read the usage of many mailboxes of one workspace in one query, so that `of` asks no more."""
    boxes = list(mailboxes)
    if not boxes:
        return
    names = [counter(box.id, kind) for box in boxes for kind in ("", "bytes")]
    found = counters.read_many(boxes[0].workspace_id, names)
    for box in boxes:
        box.__dict__[_KEY] = Usage(found[counter(box.id)], found[counter(box.id, "bytes")])


def of(mailbox: Mailbox) -> Usage:
    if _KEY not in mailbox.__dict__:
        load([mailbox])
    usage: Usage = mailbox.__dict__[_KEY]
    return usage
