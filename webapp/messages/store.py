"""Mail goes in here, whichever door it came through: SMTP, the API, forwards, test mail.

    store_message ──> (job) apply_parsed ──> file_message | absorb

Nothing here asks who wants it; services that speak for people are in `service`. Everything is flushed, the edge commits.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from webapp.core import live, queue, rollups
from webapp.core.db import db, utcnow
from webapp.core.fast_rows import Insert, take_ids
from webapp.mailboxes import flow
from webapp.mailboxes.models import Mailbox
from webapp.messages import raws, totals
from webapp.messages.models import DIRECTIONS, INBOX, Message, RawMessage
from webapp.messages.reading import LIVE_EVENT, apply_parsed, parsed_of

__all__ = [
    "absorb", "apply_parsed", "file_message", "load_raw", "parsed_of", "raw_of", "store_many", "store_message", "store_raw", "totals",
]  # fmt: skip
DRAIN = "intake.drain"
#: what a copy has that says nothing else; the shape of all rows is the same, so one statement takes them
EMPTY: dict[str, Any] = {
    "state": "received", "envelope_sender": "", "envelope_recipients": [], "recipient": None, "trusted": False, "is_test": False,
    "ip": None, "login": None, "helo": None, "request_id": None, "delivery_state": None, "folder": None, "seen": False, "deleted_at": None,
}  # fmt: skip
_insert = Insert(Message, ("id", "workspace_id", "mailbox_id", "direction", "raw_id", "size_bytes", "created_at", "updated_at", *EMPTY))


def store_raw(raw: bytes) -> RawMessage:
    """Keep a source, once per content."""
    return raws.store(raw)


def load_raw(raw_id: int) -> bytes:
    """The bytes of a source."""
    return raws.load(raw_id)


def raw_of(message: Message) -> bytes:
    """The source of a message as it came in."""
    return raws.load(message.raw_id)


def store_message(
    *, workspace_id: int, mailbox_id: int | None, direction: str, raw: bytes | None = None, raw_id: int | None = None,
    envelope_sender: str = "", envelope_recipients: Sequence[str] = (), recipient: str | None = None, is_test: bool = False,
    trusted: bool = False, ip: str | None = None, login: str | None = None, helo: str | None = None, request_id: str | None = None,
    state: str = "received", delivery_state: str | None = None, **columns: Any,
) -> Message:  # fmt: skip
    """One copy of a mail. Once this commits it is not lost; a job reads it later (state `received`).

    raw, raw_id   the source, or the id of one that is kept already
    mailbox_id    None for mail of the system itself
    recipient     the address that this copy came in for
    columns       further columns of `Message` by name
    """  # fmt: skip
    if direction not in DIRECTIONS:
        raise ValueError(f"a message is {' or '.join(DIRECTIONS)}, not {direction!r}")
    if (raw is None) == (raw_id is None):
        raise ValueError("hand in either raw or raw_id")
    row = raws.store(raw) if raw is not None else db.session.get_one(RawMessage, raw_id)
    message = Message(
        workspace_id=workspace_id, mailbox_id=mailbox_id, direction=direction, state=state, raw_id=row.id, size_bytes=row.size_bytes,
        envelope_sender=envelope_sender, envelope_recipients=list(envelope_recipients), recipient=recipient, is_test=is_test,
        trusted=trusted, ip=ip, login=login, helo=helo, request_id=request_id, delivery_state=delivery_state, **columns,
    )  # fmt: skip
    db.session.add(message)
    db.session.flush()
    if direction == "received" and mailbox_id is not None and not is_test:
        flow.note(mailbox_id, direction)
    live.notify(workspace_id, LIVE_EVENT)
    if state == "received":
        queue.ring(DRAIN)
    return message


def store_many(rows: Sequence[dict[str, Any]]) -> list[int]:
    """Several copies at once, as `store_message` does one; each row names workspace_id, mailbox_id, direction, raw_id, size_bytes.

    returns their ids in the same order
    """
    if not rows:
        return []
    now = utcnow()
    ids = take_ids(Message, len(rows))
    whole = [{**EMPTY, "id": number, "created_at": now, "updated_at": now, **row} for number, row in zip(ids, rows, strict=True)]
    _insert.run(whole)
    _count(whole)
    for workspace_id in {row["workspace_id"] for row in whole}:
        live.notify(workspace_id, LIVE_EVENT)
    queue.ring(DRAIN)
    return ids


def _count(rows: Sequence[dict[str, Any]]) -> None:
    """What these rows add to the numbers, said once for each number however many they are."""
    shares: dict[tuple[int, int | None], Counter[str]] = defaultdict(Counter)
    ways: Counter[tuple[int, str]] = Counter()
    received: Counter[int] = Counter()
    for row in rows:
        shares[row["workspace_id"], row["mailbox_id"]].update(totals.shares(row))
        ways[row["workspace_id"], row["direction"]] += 1
        if row["direction"] == "received" and row["mailbox_id"] is not None:
            received[row["mailbox_id"]] += 1
    for (workspace_id, mailbox_id), numbers in shares.items():
        totals.note(workspace_id, mailbox_id, numbers)
    for (workspace_id, direction), number in ways.items():
        rollups.note("hour", workspace_id, direction, number)
    for mailbox_id, number in received.items():
        flow.note(mailbox_id, "received", number)


def file_message(message: Message, folder: str = INBOX) -> None:
    """Show the mail in a folder, unless its mailbox keeps mail in the archive alone."""
    mailbox = db.session.get(Mailbox, message.mailbox_id) if message.mailbox_id else None
    if mailbox is None or mailbox.default_delivery != "archive_only":
        message.folder, message.filed_at = folder, utcnow()
    live.notify(message.workspace_id, LIVE_EVENT)


def absorb(message: Message) -> None:
    """Keep the mail in the archive alone."""
    message.folder = None
    live.notify(message.workspace_id, LIVE_EVENT)
