"""The list that programs ask for most, all mail of one mailbox, with statements that are made once.

Two statements in one transaction of their own: may the actor see the mailbox and how much does it hold, then the page. Whatever else
is asked for goes the general way (`listing`), and so does every refusal.
"""

from typing import Any

from sqlalchemy import bindparam, select, text

from webapp.core.actor import Actor
from webapp.core.counters import Counter
from webapp.core.db import db, reading
from webapp.core.paging import Page, PageRequest, Walk
from webapp.mailboxes.models import Mailbox
from webapp.messages import listing, totals
from webapp.messages.models import Message

_mail, _boxes, _counters = Message.__table__, Mailbox.__table__, Counter.__table__
_number = select(_counters.c.number).where(_counters.c.workspace_id == bindparam("workspace_id"), _counters.c.name == bindparam("name"))
_box = select(_boxes.c.domain_id, _number.scalar_subquery()).where(
    _boxes.c.id == bindparam("mailbox_id"), _boxes.c.workspace_id == bindparam("workspace_id"), _boxes.c.deleted_at.is_(None)
)
_columns = [_boxes.c.email.label("mailbox") if column.key == "mailbox" else _mail.c[column.key] for column in listing.ROW]
_rows = (
    select(*_columns)
    .select_from(_mail.outerjoin(_boxes, _boxes.c.id == _mail.c.mailbox_id))
    .where(text("messages.deleted_at IS NULL"), _mail.c.mailbox_id == bindparam("mailbox_id"))
)
_walk = Walk(_rows, _mail.c.id)


def page_of(actor: Actor, mailbox_id: int, asked: PageRequest) -> Page[Any] | None:
    """One page of rows as `listing.page_of` answers them; None for what is not so simple."""
    actor.require("archives:read")
    pending = db.session.registry.has() and db.session.info.get("message_totals")
    if pending or asked.sort_by not in listing.SORTABLE or (asked.cursor is None and asked.page > 1):
        return None
    values = {"mailbox_id": mailbox_id, "workspace_id": actor.workspace_id, "name": totals.name(mailbox_id)}
    with reading(), db.engine.connect() as connection:
        box = connection.execute(_box, values).first()
        if box is None or not actor.sees_mailbox(mailbox_id, box[0]):
            return None
        return _walk.page(connection, asked, {"mailbox_id": mailbox_id}, box[1] or 0)
