"""Lists of mail that are asked for most, with statements that are made once: all mail of one mailbox, and the boxes of the mail page.

Whatever else is asked for goes the general way (`listing`), and so does every refusal.
"""

from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, select

from webapp.core.actor import Actor
from webapp.core.counters import Counter
from webapp.core.db import db
from webapp.core.paging import Page, PageRequest, Walk
from webapp.mailboxes.models import Mailbox
from webapp.messages import listing, totals
from webapp.messages.models import INBOX, Message
from webapp.messages.totals import Overview

_mail, _boxes, _counters = Message.__table__, Mailbox.__table__, Counter.__table__
_columns = [_boxes.c.email.label("mailbox") if column.key == "mailbox" else _mail.c[column.key] for column in listing.ROW]
_rows = select(*_columns).select_from(_mail.outerjoin(_boxes, _boxes.c.id == _mail.c.mailbox_id))
#: beside each row of one mailbox: its domain, and how much mail it holds
_number = select(_counters.c.number).where(_counters.c.workspace_id == bindparam("workspace_id"), _counters.c.name == bindparam("name"))
_own = (
    select(*_columns, _boxes.c.domain_id, _number.scalar_subquery().label("total"))
    .select_from(_mail.join(_boxes, _boxes.c.id == _mail.c.mailbox_id))
    .where(_boxes.c.workspace_id == bindparam("workspace_id"), _boxes.c.deleted_at.is_(None))
)
DOMAIN, TOTAL = -2, -1


@cache
def _walk(*narrow: str, rows: Select[Any] = _rows) -> Walk:
    """The list that is narrowed in these ways (keys of NARROW)."""
    ids = select(_mail.c.id).where(listing.LIVING, *[NARROW[way] for way in narrow])
    return Walk(ids, rows, _mail.c.id)


#: ways to narrow a list that an index serves -> condition; what it is compared with is given when the list is asked for
NARROW: dict[str, Any] = {
    "mailbox_id": _mail.c.mailbox_id == bindparam("mailbox_id"),
    "workspace_id": _mail.c.workspace_id == bindparam("workspace_id"),
    "folder": _mail.c.folder == bindparam("folder"),
    "sent": listing.FLAGS["sent"],
}


def page_of(actor: Actor, mailbox_id: int, asked: PageRequest) -> Page[Any] | None:
    """One page of the mail of a mailbox, rows as `core.swift` answers them; None for what is not so simple, also for an empty page.

    One statement says whether the mailbox is one of the workspace and lives, of which domain it is, how much it holds, and the rows.
    """
    actor.require("archives:read")
    pending = db.session.registry.has() and totals.pending.of(db.session)
    if pending or not _is_simple(asked):
        return None
    values = {"mailbox_id": mailbox_id, "workspace_id": actor.workspace_id, "name": totals.name(mailbox_id)}
    page = _walk("mailbox_id", rows=_own).swift_page(db.engine, asked, values)
    if not page.items or not actor.sees_mailbox(mailbox_id, page.items[0][DOMAIN]):
        return None
    page.total = page.items[0][TOTAL] or 0
    return page


def box_page(actor: Actor, filters: dict[str, Any], asked: PageRequest, overview: Overview) -> Page[Any] | None:
    """One page of a box over all mailboxes of a workspace: inbox, sent or archive; None for what is not so simple.

    filters  as of `listing.page_of`
    """
    given = {name: value for name, value in filters.items() if value not in (None, "")}
    limited = actor.mailbox_ids is not None or actor.domain_ids is not None
    known = BOXES.get(tuple(given.items()))
    if known is None or limited or overview.hidden or not _is_simple(asked):
        return None
    actor.require("archives:read")
    narrow, kind = known
    values = {"workspace_id": actor.workspace_id, **({"folder": given["folder"]} if "folder" in given else {})}
    return _walk("workspace_id", *narrow).page(db.session.connection(), asked, values, overview.numbers[kind])


#: filters of a box -> how its list is narrowed, and the counter that knows its length
BOXES: dict[tuple[Any, ...], tuple[tuple[str, ...], str]] = {
    (): ((), ""),
    (("folder", INBOX),): (("folder",), "inbox"),
    (("direction", "sent"),): (("sent",), "sent"),
}


def _is_simple(asked: PageRequest) -> bool:
    """The list's own order, from its beginning or from a cursor."""
    return asked.sort_by in listing.SORTABLE and (asked.cursor is not None or asked.page == 1)
