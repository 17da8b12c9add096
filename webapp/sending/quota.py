"""How many mails a mailbox may send in an hour, a day, and altogether (reference/mailtrigger.md section 10)."""

import math
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, select

from webapp.core.db import database_now, db
from webapp.mailboxes.models import Mailbox
from webapp.sending.models import Outgoing

#: what a mailbox sends by itself; forwards and answers that its routes make do not count
COUNTED = ("api", "smtp")


class Exceeded(NamedTuple):
    """A limit that is used up: the sentence, and when there is room again (None: never by itself)."""

    text: str
    retry_after_s: int | None


def exceeded(mailbox: Mailbox) -> Exceeded | None:
    """Which limit of the mailbox leaves no room for one more mail."""
    now = database_now()
    for limit, span, words in (
        (mailbox.hourly_limit, timedelta(hours=1), "an hour"),
        (mailbox.daily_limit, timedelta(days=1), "a day"),
        (mailbox.total_limit, None, "altogether"),
    ):
        if limit is None:
            continue
        oldest = _nth_newest(mailbox.id, limit, None if span is None else now - span)
        if oldest is not None or limit == 0:
            wait = None if span is None else max(1, math.ceil(((oldest or now) + span - now).total_seconds()))
            return Exceeded(f"{mailbox.email} may send {limit:,} mail{'' if limit == 1 else 's'} {words}, and has.", wait)
    return None


def _nth_newest(mailbox_id: int, number: int, since: datetime | None) -> datetime | None:
    """When the mail was sent that must grow old before there is room again; None while there is room."""
    if number < 1:
        return None
    query = select(Outgoing.created_at).where(Outgoing.mailbox_id == mailbox_id, Outgoing.kind.in_(COUNTED))
    if since is None:
        sent = db.session.scalar(select(func.count()).select_from(query.limit(number).subquery())) or 0
        return database_now() if sent >= number else None
    return db.session.scalar(query.where(Outgoing.created_at > since).order_by(Outgoing.created_at.desc()).offset(number - 1).limit(1))
