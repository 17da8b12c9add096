"""Exact numbers of messages without counting, per workspace and per mailbox, kept by the transaction that changes them.

    messages, messages:received, messages:sent, messages:inbox, messages:unread, messages:bytes          of a workspace
    messages:<mailbox id>, messages:<mailbox id>:received …                                              of a mailbox

Changes made through the session are noted by themselves; bulk statements call `note`. What was noted is written in one go at the end
of the transaction, in the order of the names, so that parallel writers wait for each other only for the length of a commit.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import String, bindparam, cast, event, func, inspect, literal, select
from sqlalchemy.orm import Session

from webapp.core import counters, rollups
from webapp.core.counters import Counter
from webapp.core.db import db
from webapp.core.pending import Pending
from webapp.mailboxes.models import Mailbox
from webapp.messages.models import INBOX, Message

KINDS = ("", "received", "sent", "inbox", "unread", "bytes")
COUNTED = ("workspace_id", "mailbox_id", "direction", "folder", "seen", "deleted_at", "size_bytes")


def name(mailbox_id: int | None, kind: str = "") -> str:
    """The counter's name; `mailbox_id` None is the whole workspace, kind one of KINDS."""
    return ":".join(["messages", *([str(mailbox_id)] if mailbox_id else []), *([kind] if kind else [])])


def shares(values: dict[str, Any]) -> dict[str, int]:
    """What one message with these columns (COUNTED) adds to each kind; nothing while it lies in the trash."""
    if values["deleted_at"] is not None:
        return {}
    inbox = int(values["folder"] == INBOX)
    found = {"": 1, values["direction"]: 1, "inbox": inbox, "unread": int(inbox and not values["seen"]), "bytes": values["size_bytes"] or 0}
    return {kind: number for kind, number in found.items() if number}


def note(workspace_id: int, mailbox_id: int | None, changes: dict[str, int], session: Any = None) -> None:
    """Add numbers by kind to a mailbox (if any) and its workspace, at the end of the transaction."""
    for kind, by in changes.items():
        for key in {name(None, kind), name(mailbox_id, kind)}:
            pending.note((workspace_id, key), by, session)


def _write(session: Session, noted: dict[tuple[int, str], int]) -> None:
    counters.bump_many(noted, session)


pending: Pending[tuple[int, str]] = Pending("message_totals", _write)


def read(workspace_id: int, mailbox_id: int | None = None) -> dict[str, int]:
    """The numbers by kind, with those that the current transaction has not written yet."""
    names = {name(mailbox_id, kind): kind for kind in KINDS}
    found = counters.read_many(workspace_id, list(names))
    noted = pending.of(db.session)
    return {kind: found[key] + noted.get((workspace_id, key), 0) for key, kind in names.items()}


def count_in(ids: Any) -> int:
    """How many messages the mailboxes have whose ids a SELECT gives; from the counters, one probe for each."""
    chosen = ids.subquery()
    # The counter's workspace is that of the mailbox; naming it lets the unique index serve.
    number = select(func.sum(Counter.number)).join(
        Mailbox, (Mailbox.workspace_id == Counter.workspace_id) & (Counter.name == literal("messages:") + cast(Mailbox.id, String))
    )
    return int(db.session.scalar(number.where(Mailbox.id.in_(select(chosen.c.id)))) or 0)


@dataclass(frozen=True)
class Overview:
    """The numbers of a workspace or of one mailbox, and the mailboxes in the trash, whose mail is not shown meanwhile."""

    numbers: dict[str, int]
    hidden: tuple[int, ...] = ()


def overview(workspace_id: int, mailbox_id: int | None = None) -> Overview:
    """One query; a second one while mailboxes lie in the trash."""
    if mailbox_id is not None:
        return Overview(read(workspace_id, mailbox_id))
    names = {name(None, kind): kind for kind in KINDS}
    rows = list(db.session.execute(_overview_query(), {"workspace_id": workspace_id}))
    numbers = {**dict.fromkeys(KINDS, 0), **{names[row.name]: row.number for row in rows if row.name in names}}
    for (owner, key), by in pending.of(db.session).items():
        if owner == workspace_id and key in names:
            numbers[names[key]] += by
    hidden = tuple(row.number for row in rows if row.name == "hidden")
    if hidden:
        theirs = {name(mailbox, kind): kind for mailbox in hidden for kind in KINDS}
        for key, number in counters.read_many(workspace_id, list(theirs)).items():
            numbers[theirs[key]] -= number
    return Overview(numbers, hidden)


@cache
def _overview_query() -> Any:
    """The counters of a workspace, and its mailboxes in the trash as rows called "hidden"; made once."""
    counter, mailbox = Counter.__table__.c, Mailbox.__table__.c
    whose: Any = bindparam("workspace_id")
    known = select(counter.name.label("name"), counter.number.label("number")).where(
        counter.workspace_id == whose, counter.name.in_([name(None, kind) for kind in KINDS])
    )
    return known.union_all(select(literal("hidden"), mailbox.id).where(mailbox.workspace_id == whose, mailbox.deleted_at.is_not(None)))


@event.listens_for(Session, "before_flush")
def _note_changes(session: Session, _context: Any, _instances: Any) -> None:
    for row in session.new:
        if isinstance(row, Message):
            note(row.workspace_id, row.mailbox_id, shares(_now(row)), session)
            rollups.note("hour", row.workspace_id, row.direction, 1, session)
    for row in session.deleted:
        if isinstance(row, Message):
            note(row.workspace_id, row.mailbox_id, _negative(shares(_before(row))), session)
        if isinstance(row, Mailbox):  # its messages go by their foreign key
            note(row.workspace_id, None, _negative(_read_of(session, row)), session)
    for row in session.dirty:
        if isinstance(row, Message):
            before, after = _before(row), _now(row)
            if before != after:
                note(row.workspace_id, row.mailbox_id, _negative(shares(before)), session)
                note(row.workspace_id, row.mailbox_id, shares(after), session)


def _read_of(session: Session, mailbox: Mailbox) -> dict[str, int]:
    with session.no_autoflush:
        return read(mailbox.workspace_id, mailbox.id)


def _now(row: Message) -> dict[str, Any]:
    values = {key: getattr(row, key) for key in COUNTED}
    values["seen"] = bool(values["seen"])
    return values


def _before(row: Message) -> dict[str, Any]:
    """The columns as the database has them."""
    values, state = _now(row), inspect(row)
    for key in COUNTED:
        history = state.attrs[key].history
        if history.deleted:
            values[key] = history.deleted[0]
        elif history.added:  # never set before: what an INSERT without it left
            values[key] = None
    values["seen"] = bool(values["seen"])
    return values


def _negative(numbers: dict[str, int]) -> dict[str, int]:
    return {kind: -number for kind, number in numbers.items()}
