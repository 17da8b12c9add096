"""How full mailboxes are. The numbers are counters which the archive keeps exact (`messages:<id>`, `messages:<id>:bytes`)."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from webapp.core import counters
from webapp.mailboxes import flow
from webapp.mailboxes.flow import Flow
from webapp.mailboxes.models import Mailbox

_KEY = "_usage"


class Usage(NamedTuple):
    """total: messages kept, sent and received; bytes: what they fill. Mail in the trash does not count."""

    total: int
    bytes: int


class Numbers(NamedTuple):
    """What a mailbox used: mails by direction in the last hour and day, mails and bytes kept."""

    kept: Usage
    received: Flow = Flow()
    sent: Flow = Flow()

    def plus(self, direction: str, size_bytes: int) -> "Numbers":
        """With one more mail."""
        went: Flow = getattr(self, direction)
        kept = Usage(self.kept.total + 1, self.kept.bytes + size_bytes)
        more: dict[str, Any] = {direction: Flow(went.hour + 1, went.day + 1)}
        return self._replace(kept=kept, **more)


def counter(mailbox_id: int, kind: str = "") -> str:
    return f"messages:{mailbox_id}" + (f":{kind}" if kind else "")


def load(workspace_id: int, mailboxes: Iterable[Mailbox], also: Iterable[str] = ()) -> dict[str, int]:
    """Read the usage of many mailboxes of one workspace in two queries, so that `of` and `numbers` ask no more.

    also     further counters to read along
    returns  their numbers
    """
    boxes, further = list(mailboxes), list(also)
    found = counters.read_many(workspace_id, [counter(box.id, kind) for box in boxes for kind in ("", "bytes")] + further)
    went = flow.read(box.id for box in boxes)
    none = Flow()
    for box in boxes:
        kept = Usage(found[counter(box.id)], found[counter(box.id, "bytes")])
        box.__dict__[_KEY] = Numbers(kept, went.get((box.id, "received"), none), went.get((box.id, "sent"), none))
    return {name: found[name] for name in further}


def numbers(mailbox: Mailbox) -> Numbers:
    """What it used of everything that can be limited."""
    if _KEY not in mailbox.__dict__:
        load(mailbox.workspace_id, [mailbox])
    found: Numbers = mailbox.__dict__[_KEY]
    return found


def of(mailbox: Mailbox) -> Usage:
    """What it keeps."""
    return numbers(mailbox).kept
