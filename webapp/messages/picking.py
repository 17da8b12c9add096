"""Mail picked in bulk: marked as read or unread, deleted, and taken back (see `webapp.picks`), and what each box holds."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select

from webapp.audit import service as audit
from webapp.core import live
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.core.errors import Conflict, Invalid
from webapp.core.wording import human_bytes, number
from webapp.mailboxes import rows as mailboxes
from webapp.mailboxes.models import Mailbox
from webapp.messages import index, listing, reading, service, totals
from webapp.messages.models import Message
from webapp.messages.scan import among
from webapp.picks.kinds import Action, Before, Done, Effect, Kind

#: key -> (label, filters); the first is shown when none is named
BOXES: dict[str, tuple[str, dict[str, Any]]] = {
    "inbox": ("Inbox", {"folder": "INBOX"}),
    "sent": ("Sent", {"direction": "sent"}),
    "archive": ("Archive", {}),
    "captured": ("Captured", {"captured": True}),
    "quarantined": ("Quarantined", {"quarantined": True}),
    "test": ("Test", {"is_test": True}),
    "parked": ("Parked", {"parked": True}),
}
#: hits of a search that are worked on at once
MOST_FOUND = 10_000


def mailbox_of(text: str) -> int | None:
    """The mailbox that the address of the list names."""
    return int(text) if text.isdecimal() and len(text) < 19 else None


def choose(actor: Actor, filters: Mapping[str, str] | None, ids: list[int] | None) -> Select[Any]:
    """The ids of the picked mails that the actor sees. raises Invalid for a search that finds too much"""
    mine = select(Message.id).where(Message.workspace_id == actor.workspace_id, listing.LIVING, _sees(actor))
    return mine.where(Message.id.in_(ids)) if ids is not None else mine.where(*_matching(actor, filters or {}))


def _sees(actor: Actor) -> Any:
    theirs = Message.mailbox_id.in_(mailboxes.seen(actor).with_only_columns(Mailbox.id))
    limited = actor.mailbox_ids is not None or actor.domain_ids is not None
    return theirs if limited else or_(Message.mailbox_id.is_(None), theirs)


def _matching(actor: Actor, filters: Mapping[str, str]) -> list[Any]:
    """The conditions of the list with this address (mailbox, box, q)."""
    mailbox_id = mailbox_of(filters.get("mailbox", ""))
    box = BOXES.get(filters.get("box", ""), BOXES["inbox"])[1]
    asked = {**box, "search": filters.get("q", "")}
    narrowed = listing.narrow(actor, mailbox_id, asked, totals.overview(actor.workspace_id, mailbox_id))
    found = [*narrowed.base, *narrowed.extra]
    if narrowed.hopeless:
        return [Message.id.is_(None)]
    if narrowed.terms:
        hits = index.Hits(narrowed.terms, narrowed.scopes).take(None, MOST_FOUND + 1)
        if len(hits) > MOST_FOUND:
            raise Invalid(f"More than {MOST_FOUND:,} mails match the search.", hint="Narrow it, for example with before:2026-01-01.")
        found.append(among(hits) if hits else Message.id.is_(None))
    return found


def summary(_actor: Actor, ids: Select[Any]) -> list[str]:
    """How many are unread, and what they fill."""
    _, unread, size = _numbers(ids)
    return [*([f"{number(unread)} unread"] if unread else []), human_bytes(size)]


def _numbers(ids: Select[Any]) -> tuple[int, int, int]:
    """(mails, unread ones, bytes)"""
    columns = select(Message.id, Message.seen, Message.direction, Message.size_bytes)
    chosen = columns.where(Message.id.in_(select(ids.subquery().c.id))).subquery()
    unread = func.count().filter(chosen.c.seen.is_(False), chosen.c.direction == "received")
    found = db.session.execute(select(func.count(), unread, func.coalesce(func.sum(chosen.c.size_bytes), 0)).select_from(chosen)).one()
    return int(found[0]), int(found[1]), int(found[2])


def mails(count: int) -> str:
    return f"{number(count)} mail{'' if count == 1 else 's'}"


# --- marking -------------------------------------------------------------------------------------------------


def _marking(name: str, label: str, icon: str, past: str, seen: bool) -> Action:
    def effect(_actor: Actor, ids: Select[Any]) -> Effect:
        total, unread, _ = _numbers(ids)
        changes = unread if seen else _numbers(ids.where(Message.direction == "received"))[0] - unread
        others = f" The other {number(total - changes)} stay as they are." if total > changes else ""
        return Effect(changes, f"{mails(changes)} of {number(total)} {'is' if changes == 1 else 'are'} {past}.{others}")

    def apply(actor: Actor, ids: list[int]) -> Done:
        return Done(dict.fromkeys(_mark(actor, ids, seen)))

    def undo(actor: Actor, rows: Mapping[int, Before]) -> Done:
        return Done(dict.fromkeys(_mark(actor, list(rows), not seen)))

    return Action(name, label, icon, past, "messages:write", effect, apply, undo)


def _mark(actor: Actor, ids: list[int], seen: bool) -> list[int]:
    """Those that were otherwise before."""
    actor.require("messages:write")
    found = locked(choose(actor, None, ids).where(Message.seen.is_(not seen), Message.direction == "received"))
    for message in found:
        message.seen = seen
        audit.record(actor, "message.update", service.target(message), before={"seen": not seen}, after={"seen": seen})
    db.session.flush()
    live.notify(actor.workspace_id, reading.LIVE_EVENT)
    return [message.id for message in found]


def locked(ids: Select[Any]) -> list[Message]:
    """The mails with these ids, in their order, locked until the transaction ends."""
    query = select(Message).where(Message.id.in_(ids)).order_by(Message.id).with_for_update()
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


# --- deleting ------------------------------------------------------------------------------------------------


def _effect_of_deleting(_actor: Actor, ids: Select[Any]) -> Effect:
    total, _, size = _numbers(ids)
    go = "goes" if total == 1 else "go"
    return Effect(total, f"{mails(total)} ({human_bytes(size)}) {go} to the trash and can be restored for 30 days.")


def _delete(actor: Actor, ids: list[int]) -> Done:
    actor.require("archives:write")
    moment, done = utcnow(), Done()
    for message in locked(choose(actor, None, ids)):
        message.deleted_at = moment
        index.hide(message)
        audit.record(actor, "message.delete", service.target(message), before=service.snapshot(message), after={"deleted_at": moment})
        done.changed[message.id] = {"at": moment.isoformat()}
    db.session.flush()
    live.notify(actor.workspace_id, reading.LIVE_EVENT)
    return done


def _bring_back(actor: Actor, rows: Mapping[int, Before]) -> Done:
    """Those that still lie where this order put them."""
    actor.require("archives:write")
    done = Done()
    mine = select(Message.id).where(Message.workspace_id == actor.workspace_id, Message.id.in_(list(rows)), Message.deleted_at.is_not(None))
    for message in locked(mine):
        if message.deleted_at != datetime.fromisoformat((rows[message.id] or {})["at"]):
            continue
        try:
            service.show_again(message)
        except Conflict as refused:
            done.problem = done.problem or refused.message
            continue
        message.deleted_at = None
        audit.record(actor, "message.restore", service.target(message))
        done.changed[message.id] = None
    db.session.flush()
    live.notify(actor.workspace_id, reading.LIVE_EVENT)
    return done


ACTIONS = (
    _marking("read", "Mark read", "mail-open", "marked as read", True),
    _marking("unread", "Mark unread", "mail", "marked as unread", False),
    Action("delete", "Delete", "trash-2", "in the trash", "archives:write", _effect_of_deleting, _delete, _bring_back, danger=True),
)


def kind(home: Any) -> Kind:
    """`home` tells the address of the list."""
    return Kind("message", "mail", "mails", "messages:read", choose, summary, home, reading.LIVE_EVENT, ACTIONS)
