"""A campaign keeps to the limits of the mailbox that sends it: mails an hour and a day, its pause, its permission to send.

    a claim ─> room(…): how many copies may go now ─ none ─> the campaign waits, and looks again after a minute at the latest
            ─> taken(…): they count like every other mail of the mailbox
    page    ─> why_waits(…): the same question without a lock, in words

The mailbox is locked while a claim takes room, as it is for single mails, so that both together never pass a limit. Mailboxes without
limits are not locked.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, bindparam, select, update

from webapp.campaigns.models import Campaign
from webapp.core.db import database_now, db
from webapp.mailboxes import flow, limits, notices
from webapp.mailboxes.limits import Over
from webapp.mailboxes.models import Mailbox
from webapp.messages import admission

#: a campaign that waits looks again after so long at the latest: limits are raised and mailboxes resumed
LOOK_AGAIN = timedelta(minutes=1)
#: more than any claim takes
PLENTY = 1_000_000
_ASKED = select(Mailbox.can_send, Mailbox.status, Mailbox.hourly_limit, Mailbox.daily_limit).where(Mailbox.id == bindparam("mailbox"))


class Room(NamedTuple):
    """number: copies that may go now · over: the limit that leaves none · frees_at: when there is room again"""

    number: int
    over: Over | None = None
    frees_at: datetime | None = None


def room(campaign: Row[Any], now: datetime) -> int:
    """How many copies may be taken now, part of the claim's transaction; where it is none the campaign waits.

    campaign  its locked row: id, mailbox_id
    """
    asked = db.session.execute(_ASKED, {"mailbox": campaign.mailbox_id}).one_or_none() if campaign.mailbox_id is not None else None
    if asked is None:
        return PLENTY
    if not asked.can_send or asked.status != "active":
        _wait(campaign.id, now + LOOK_AGAIN)
        return 0
    if asked.hourly_limit is None and asked.daily_limit is None:
        return PLENTY
    query = select(Mailbox).where(Mailbox.id == campaign.mailbox_id).with_for_update(key_share=True)
    mailbox = db.session.execute(query.execution_options(populate_existing=True)).scalar_one()
    used = admission.numbers([mailbox])[mailbox.id]
    found = _left(mailbox, used.sent)
    notices.note(mailbox, used, found.over)
    if not found.number:
        _wait(campaign.id, min(found.frees_at or now + LOOK_AGAIN, now + LOOK_AGAIN))
    return found.number


def taken(campaign: Row[Any], number: int) -> None:
    """So many copies of it stand in the ledger: mails that its mailbox sent."""
    if campaign.mailbox_id is not None and number:
        flow.note(campaign.mailbox_id, "sent", number)


def _left(mailbox: Mailbox, sent: flow.Flow) -> Room:
    """What the hour and the day leave; the day first, which lasts longer."""
    number, over = PLENTY, None
    for span, limit, used in (("day", mailbox.daily_limit, sent.day), ("hour", mailbox.hourly_limit, sent.hour)):
        if limit is not None:
            number = min(number, max(0, limit - used))
            if used >= limit and over is None:
                over = Over(mailbox.email, span, "sent", limit)
    if over is None:
        return Room(number)
    return Room(0, over, flow.frees_at(flow.Full(mailbox.id, "sent", over.limit, over.allowed)))


def _wait(campaign_id: int, until: datetime) -> None:
    change = update(Campaign).where(Campaign.id == campaign_id).values(next_attempt_at=until, updated_at=Campaign.updated_at)
    db.session.execute(change, execution_options={"synchronize_session": False})


def why_waits(campaign: Campaign) -> str | None:
    """Why the next people of a campaign that is being sent are not taken now, in a sentence or two; None where they are."""
    if campaign.state != "sending" or campaign.is_expanded or campaign.mailbox_id is None:
        return None
    mailbox = db.session.get(Mailbox, campaign.mailbox_id)
    if mailbox is None or mailbox.deleted_at is not None:
        return None
    if not mailbox.may_send:
        what = "may not send" if not mailbox.can_send else "is paused"
        return f"{mailbox.email} {what}, so the next copies wait until that changes."
    if mailbox.hourly_limit is None and mailbox.daily_limit is None:
        return None
    found = _left(mailbox, flow.read([mailbox.id]).get((mailbox.id, "sent"), flow.Flow()))
    if found.over is None or found.frees_at is None:
        return None
    return f"{found.over.sentence} The next copies go {limits.room(found.frees_at, database_now())}."
