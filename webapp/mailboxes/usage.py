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


def load(workspace_id: int, mailboxes: Iterable[Mailbox], also: Iterable[str] = ()) -> dict[str, int]:
    """Read the usage of many mailboxes of one workspace in one query, so that `of` asks no more.

    also     further counters to read along
    returns  their numbers
    """
    boxes, further = list(mailboxes), list(also)
    found = counters.read_many(workspace_id, [counter(box.id, kind) for box in boxes for kind in ("", "bytes")] + further)
    for box in boxes:
        box.__dict__[_KEY] = Usage(found[counter(box.id)], found[counter(box.id, "bytes")])
    return {name: found[name] for name in further}


def of(mailbox: Mailbox) -> Usage:
    if _KEY not in mailbox.__dict__:
        load(mailbox.workspace_id, [mailbox])
    usage: Usage = mailbox.__dict__[_KEY]
    return usage
