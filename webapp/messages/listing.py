"""Lists of messages: which rows a list has, which index serves it, and one page of it.

A list without filters is a walk down its index, its total comes from the counters. Search goes through the search index, everything else
that was asked for through `scan`.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select, text

from webapp.core.actor import Actor
from webapp.core.db import db, is_sqlite
from webapp.core.errors import invalid
from webapp.core.paging import CAP, DEEPEST_PAGE, Page, PageRequest, capped_count, read_cursor, write_cursor
from webapp.mailboxes.models import Mailbox
from webapp.messages import index, language, totals
from webapp.messages.models import INBOX, Message, MessageText
from webapp.messages.scan import Scan, among
from webapp.messages.totals import Overview

#: columns of a row in a list; nothing else is read
ROW = (
    Message.id, Message.mailbox_id, Message.direction, Message.state, Message.envelope_sender, Message.recipient, Message.sender,
    Message.sender_name, Message.receivers_text, Message.cc_text, Message.subject, Message.message_id_header, Message.date,
    Message.size_bytes, Message.has_attachments, Message.attachments, Message.preview, Message.folder, Message.seen,
    Message.quarantined, Message.trusted, Message.is_test, Message.parse_limited, Message.problem, Message.delivery_state,
    Message.repeats_id, Message.created_at, Mailbox.email.label("mailbox"),
)  # fmt: skip
#: conditions written out as the partial indexes have them, so that both databases see that these serve
LIVING = text("messages.deleted_at IS NULL")
FLAGS = {
    "sent": text("messages.direction = 'sent'"),
    "captured": text("messages.delivery_state = 'captured'"),
    "quarantined": text("messages.quarantined"),
    "is_test": text("messages.is_test"),
    "parked": text("messages.state = 'parked'"),
    "waiting": text("messages.delivery_state IN ('queued', 'deferred', 'held', 'uncertain')"),
    "bounced": text("messages.delivery_state = 'bounced'"),
}
#: flag -> the partial index that holds just this mail of a workspace. SQLite is told: without statistics all indexes that begin with the
#: workspace look alike to it, and the one that it takes may hold all mail (RELIABILITY C-44). PostgreSQL knows by itself
SERVED_BY = {
    "sent": "ix_messages_workspace_id_sent", "captured": "ix_messages_captured", "quarantined": "ix_messages_quarantined",
    "is_test": "ix_messages_is_test", "parked": "ix_messages_workspace_id_parked", "waiting": "ix_messages_delivery",
    "bounced": "ix_messages_bounced",
}  # fmt: skip
SORTABLE = (None, "created_at", "id")


@dataclass
class Narrowed:
    """A list, taken apart: what an index serves, what is checked row by row, what the search index answers, what the counters know."""

    base: list[Any]
    extra: list[Any] = field(default_factory=list)
    terms: list[language.Term] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    total: int | None = None
    hopeless: bool = False
    #: nothing but words was asked for, so the hits of the search index are the answer
    plain: bool = False
    #: the flag of a list of a whole workspace that has an index of its own
    flag: str | None = None

    def ids(self) -> Select[Any]:
        """The ids of the list, by the index that holds the fewest."""
        return by_flag(select(Message.id).where(*self.base), self.flag)


def by_flag(query: Select[Any], flag: str | None) -> Select[Any]:
    """The query, which asks for this flag in one workspace, bound to the index of it on SQLite."""
    return query.with_hint(Message, f"INDEXED BY {SERVED_BY[flag]}", "sqlite") if flag else query


def page_of(
    actor: Actor, mailbox_id: int | None, filters: dict[str, Any], asked: PageRequest, overview: Overview | None = None
) -> Page[Any]:
    """One page of rows (attributes named like ROW), newest first.

    mailbox_id  None: all mail of the workspace that the actor may see
    filters     sender receivers subject body (parts of words, any case) has_attachments date_after date_before created_after
                created_before (upper bounds exclusive) search direction quarantined is_test folder seen captured parked
                delivery (one of language.DELIVERY)
    raises      Invalid for a cursor that is not ours, an unknown order, a page beyond 100
    """
    if asked.sort_by not in SORTABLE:
        raise invalid("sort_by", "Archives are sorted by created_at.")
    given = {name: value for name, value in filters.items() if value not in (None, "")}
    narrowed = narrow(actor, mailbox_id, given, overview or totals.overview(actor.workspace_id, mailbox_id))
    if narrowed.hopeless:
        return Page([], asked.per_page, asked.page, 0, keyset=True)
    position, newest = read_cursor(asked.cursor, 1, asked.descending is not False)
    if position is None and asked.page > DEEPEST_PAGE:
        raise invalid("page", f"Pages go up to {DEEPEST_PAGE}; go on with the cursor in meta.next_cursor.")
    if narrowed.extra or narrowed.terms:
        return _scanned(narrowed, asked, position, newest)
    return _walked(narrowed, asked, position, newest)


def rows_where(*conditions: Any) -> Select[Any]:
    return select(*ROW).outerjoin(Mailbox, Mailbox.id == Message.mailbox_id).where(*conditions)


def _walked(narrowed: Narrowed, asked: PageRequest, position: list[Any] | None, newest: bool) -> Page[Any]:
    """Ids from the index alone, then their rows: PostgreSQL would else rather walk the whole table, where it hopes to meet them soon."""
    order = Message.id.desc() if newest else Message.id.asc()
    ids = narrowed.ids().order_by(order).limit(asked.per_page + 1)
    if position is not None:
        ids = ids.where(Message.id < position[0] if newest else Message.id > position[0])
    elif asked.page > 1:
        ids = ids.offset((asked.page - 1) * asked.per_page)
    chosen = ids.subquery()
    rows = list(db.session.execute(rows_where().join(chosen, chosen.c.id == Message.id).order_by(order)))
    more = len(rows) > asked.per_page
    rows = rows[: asked.per_page]
    total, capped = narrowed.total, False
    if total is None and position is None and asked.page == 1 and not more:
        total = len(rows)
    elif total is None:
        total, capped = capped_count(narrowed.ids())
    cursor = write_cursor([rows[-1].id], newest) if more else None
    return Page(rows, asked.per_page, None if position else asked.page, total, capped, more, cursor, keyset=True)


def _scanned(narrowed: Narrowed, asked: PageRequest, position: list[Any] | None, newest: bool) -> Page[Any]:
    hits = index.Hits(narrowed.terms, narrowed.scopes) if narrowed.terms else None
    scan = Scan(narrowed.base, narrowed.extra, hits, newest, narrowed.plain)
    skip = (asked.page - 1) * asked.per_page if position is None else 0
    ids = scan.take(position[0] if position else None, asked.per_page + 1, skip)
    more, gave_up_at = len(ids) > asked.per_page, scan.gave_up_at
    ids = ids[: asked.per_page]
    order = Message.id.desc() if newest else Message.id.asc()
    rows = list(db.session.execute(rows_where(among(ids), LIVING).order_by(order))) if ids else []
    total, capped = (narrowed.total, False) if narrowed.total is not None else _total(scan, len(ids), skip, position, more, gave_up_at)
    goes_on = ids[-1] if more else gave_up_at
    cursor = write_cursor([goes_on], newest) if goes_on is not None else None
    return Page(rows, asked.per_page, None if position else asked.page, total, capped, cursor is not None, cursor, keyset=True)


def _total(scan: Scan, found: int, skip: int, position: Any, more: bool, gave_up_at: int | None) -> tuple[int, bool]:
    if position is None and not skip and not more and gave_up_at is None:
        return found, False
    return scan.count(CAP)


def narrow(actor: Actor, mailbox_id: int | None, filters: dict[str, Any], overview: Overview) -> Narrowed:
    """Sort out what was asked for; `overview` is that of the mailbox, or of the workspace."""
    own = _own_mailboxes(actor, mailbox_id)
    if own is not None and len(own) == 1:
        mailbox_id = own[0]
    found = Narrowed(base=[LIVING])
    if mailbox_id is not None:
        found.base.append(Message.mailbox_id == mailbox_id)
        found.scopes = [f"m{mailbox_id}"]
    else:
        found.base.append(Message.workspace_id == actor.workspace_id)
        found.scopes = [f"w{actor.workspace_id}"]
        if own is not None:
            found.extra.append(Message.mailbox_id.in_(own))
        elif overview.hidden:
            found.base.append(or_(Message.mailbox_id.is_(None), Message.mailbox_id.not_in(overview.hidden)))
    asked = _with_search(found, filters)
    if own is None and not found.terms:
        found.total = _known_total(overview, asked)
    _add_flags(found, asked, whole=mailbox_id is None)
    found.extra += _row_by_row(asked)
    found.plain = not asked and own is None and not (overview.hidden and mailbox_id is None)
    return found


def _own_mailboxes(actor: Actor, mailbox_id: int | None) -> list[int] | None:
    """The mailboxes that a limited token may see; None: all."""
    if mailbox_id is not None or (actor.mailbox_ids is None and actor.domain_ids is None):
        return None
    query = select(Mailbox.id).where(Mailbox.workspace_id == actor.workspace_id, Mailbox.deleted_at.is_(None))
    if actor.mailbox_ids is not None:
        query = query.where(Mailbox.id.in_(actor.mailbox_ids))
    if actor.domain_ids is not None:
        query = query.where(Mailbox.domain_id.in_(actor.domain_ids))
    return list(db.session.scalars(query)) or [0]


def _with_search(found: Narrowed, filters: dict[str, Any]) -> dict[str, Any]:
    """The filters with what the search language said among them; its words go to the search index."""
    asked = {name: value for name, value in filters.items() if name != "search"}
    search = language.parse(filters.get("search") or "")
    found.terms, found.hopeless = search.terms, search.hopeless
    if search.has_attachments:
        asked.setdefault("has_attachments", True)
    if search.after:
        asked["created_after"] = max(filter(None, (search.after, asked.get("created_after"))))
    if search.before:
        asked["created_before"] = min(filter(None, (search.before, asked.get("created_before"))))
    for state in search.states:
        name, value = {
            "unread": ("seen", False), "read": ("seen", True), "sent": ("direction", "sent"), "received": ("direction", "received"),
            "quarantined": ("quarantined", True), "test": ("is_test", True), "captured": ("captured", True),
            "parked": ("parked", True),
        }.get(state, ("delivery", state))  # fmt: skip
        if asked.setdefault(name, value) != value:
            found.hopeless = True
    return asked


def _known_total(overview: Overview, asked: dict[str, Any]) -> int | None:
    """From the counters, where they count just this."""
    kinds = {
        (): "",
        (("direction", "received"),): "received",
        (("direction", "sent"),): "sent",
        (("folder", INBOX),): "inbox",
        (("folder", INBOX), ("seen", False)): "unread",
    }
    kind = kinds.get(tuple(sorted(asked.items(), key=lambda item: item[0])))
    return None if kind is None else overview.numbers[kind]


def _add_flags(found: Narrowed, asked: dict[str, Any], whole: bool) -> None:
    """Folder and flags: served by partial indexes where there is one, else checked."""
    if folder := asked.get("folder"):
        found.base.append(Message.folder == folder)

    def narrow_to(flag: str) -> None:
        (found.base if whole else found.extra).append(FLAGS[flag])
        found.flag = found.flag or (flag if whole else None)

    for name in ("captured", "quarantined", "is_test"):
        if asked.get(name) is True:
            narrow_to(name)
        elif asked.get(name) is False:
            column = Message.delivery_state.is_distinct_from("captured") if name == "captured" else getattr(Message, name).is_(False)
            found.extra.append(column)
    if asked.get("parked") is True:
        narrow_to("parked")
    elif asked.get("parked") is False:
        found.extra.append(Message.state != "parked")
    if delivery := asked.get("delivery"):
        narrow_to("bounced" if delivery == "bounced" else "waiting")
        if delivery not in ("bounced", "waiting"):
            found.extra.append(Message.delivery_state == delivery)
    if asked.get("direction") == "sent":
        found.base.append(FLAGS["sent"])
        found.flag = found.flag or ("sent" if whole else None)
    elif asked.get("direction"):
        found.extra.append(Message.direction == asked["direction"])


def _row_by_row(asked: dict[str, Any]) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if value := asked.get("sender"):
        conditions.append(or_(*[_part(column, value) for column in (Message.sender, Message.sender_name, Message.envelope_sender)]))
    if value := asked.get("receivers"):
        conditions.append(or_(*[_part(column, value) for column in (Message.receivers_text, Message.cc_text, Message.recipient)]))
    if value := asked.get("subject"):
        conditions.append(_part(Message.subject, value))
    if value := asked.get("body"):
        inside = select(MessageText.message_id).where(MessageText.message_id == Message.id, _part(MessageText.body, value))
        conditions.append(inside.exists())
    for name in ("has_attachments", "seen"):
        if asked.get(name) is not None:
            conditions.append(getattr(Message, name).is_(asked[name]))
    for name, column in (("date", Message.date), ("created", Message.created_at)):
        if asked.get(f"{name}_after"):
            conditions.append(column >= asked[f"{name}_after"])
        if asked.get(f"{name}_before"):
            conditions.append(column < asked[f"{name}_before"])
    return conditions


def _part(column: Any, value: str) -> ColumnElement[bool]:
    """Somewhere in it, any case, nothing in it special. The databases fold the case of ASCII alone; other letters are asked for in each."""
    spellings = {value} if value.isascii() else {value, value.lower(), value.upper(), value.title()}
    # SQLite's LIKE folds by itself, and faster than over lower()
    has = column.contains if is_sqlite() else column.icontains
    return and_(column.is_not(None), or_(*[has(spelling, autoescape=True) for spelling in sorted(spellings)]))
