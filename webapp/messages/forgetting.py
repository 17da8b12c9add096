"""Mail of a person who is erased: what they wrote, and what was written to them alone, goes for good."""

from collections import Counter
from typing import Any

from sqlalchemy import ColumnElement, and_, cast, delete, or_, select
from sqlalchemy.types import String

from webapp.core import live
from webapp.core.bulk import among
from webapp.core.db import db
from webapp.messages import index, raws, totals
from webapp.messages.models import Message, MessageText
from webapp.messages.reading import LIVE_EVENT

UNSYNCED = {"synchronize_session": False}
#: candidates that search gives in one go
PIECE = 500
_columns = [getattr(Message, name) for name in totals.COUNTED]


def erased(workspace_id: int, address: str) -> int:
    """Remove it, also from the trash; returns how many messages went. Mail among several people stays: it is theirs as well.

    The index of words leads there, so nobody reads a whole archive; what it found is compared address by address.
    """
    gone = 0
    found = index.Hits(index.terms_of(address), [f"w{workspace_id}"])
    beyond: int | None = None
    while ids := found.take(beyond, PIECE):
        beyond = ids[-1]
        gone += _remove(workspace_id, address, among(Message.id, ids))
    gone += _remove(workspace_id, address, Message.deleted_at.is_not(None))
    if gone:
        live.notify(workspace_id, LIVE_EVENT)
    return gone


def _remove(workspace_id: int, address: str, some: ColumnElement[bool]) -> int:
    alone = cast(Message.envelope_recipients, String).in_([f'["{address}"]'])
    theirs = or_(Message.sender == address, Message.envelope_sender == address, and_(Message.direction == "sent", alone))
    query = select(Message.id, Message.raw_id, *_columns).where(Message.workspace_id == workspace_id, some, theirs)
    rows: Any = db.session.execute(query).all()
    if not rows:
        return 0
    ids = [row.id for row in rows]
    for model, column in ((MessageText, MessageText.message_id), (Message, Message.id)):
        db.session.execute(delete(model).where(among(column, ids)), execution_options=UNSYNCED)
    lost: dict[int | None, Counter[str]] = {}
    for row in rows:
        lost.setdefault(row.mailbox_id, Counter()).update(totals.shares(dict(row._mapping)))
    for mailbox_id, kinds in lost.items():
        totals.note(workspace_id, mailbox_id, {kind: -number for kind, number in kinds.items()})
    raws.release(row.raw_id for row in rows)
    return len(rows)
