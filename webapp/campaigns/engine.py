"""The drain of campaigns: one job takes people a thousand at a time and sends to them until its time is up.

    what is due begins ─> rows that stood still ─> [claim and commit ─> send ─> record a thousand results at once] … ─> what is done ends

Campaigns take turns, a claim each. Before each claim the bounce rate is looked at. The way of a batch is that of all mail
(`sending.work`): connections, notes of what is on the wire, pauses of slow destinations, transactional mail in between.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Row, bindparam, or_, select

from webapp.campaigns import compiling, expansion, finishing, standing, timetable
from webapp.campaigns.models import Campaign
from webapp.campaigns.portions import Portions
from webapp.core import failpoints, leases
from webapp.core.config import settings
from webapp.core.db import database_now, db, reading
from webapp.mail.letter.model import LetterError
from webapp.sending import carriers, ways, wire, work
from webapp.sending.fleet import fleet
from webapp.sending.recover import recover

logger = logging.getLogger("mailroom.campaigns")
portions = Portions(expansion.BATCH)
#: least time between two looks at a campaign's bounces, in seconds
WATCH_S = 0.5


_READY = (
    Campaign.state == "sending", Campaign.is_expanded.is_(False), Campaign.deleted_at.is_(None),
    or_(Campaign.next_attempt_at.is_(None), Campaign.next_attempt_at <= bindparam("now")),
)  # fmt: skip
_COLUMNS = (Campaign.id, Campaign.workspace_id, Campaign.version, Campaign.watched_tried, Campaign.watched_bounced)
#: made once: building a statement takes longer than running one of these
_DUE = select(Campaign.id).where(*_READY).limit(1)
_FIRST = select(*_COLUMNS).where(*_READY).order_by(Campaign.id).limit(1)
_NEXT = _FIRST.where(Campaign.id > bindparam("last"))
_STATE = select(Campaign.state).where(Campaign.id == bindparam("id"))


def is_due() -> bool:
    """Whether there is anything to do for a campaign now."""
    if db.session.scalar(_DUE, {"now": database_now()}) is not None:
        return True
    return standing.has_any() or timetable.has_due() or finishing.has_done()


def drain(until: float, gives_way: Callable[[], bool] = lambda: False) -> bool:
    """Send until `time.monotonic() >= until`; True when nothing was left that can be done now."""
    if carriers.is_time_to_look():
        recover()
    timetable.start_due()
    standing.work_off(until)
    crew = carriers.Crew(ways.platform())
    try:
        finished = work.send_stream(crew, until, "bulk", gives_way, Turns().claim)
    finally:
        crew.close()
    standing.work_off(until)
    finishing.finish_done()
    return finished


class Turns:
    """Whose turn it is, for one drain."""

    def __init__(self) -> None:
        self._last = 0
        self._watched: dict[int, float] = {}

    def claim(self, crew: carriers.Crew, until: float, stream: str) -> work.Batch | None:
        """The next people of the next campaign, or None when there are none or time is up."""
        while time.monotonic() < until:
            campaign = self._next() if not fleet.is_full else None
            if campaign is None:
                return None
            self._last = campaign.id
            try:
                batch = self._claim(crew, campaign, stream)
            except LetterError as error:
                finishing.stop(campaign.id, campaign.workspace_id, f"The letter cannot be read: {error}")
                continue
            if batch is not None:
                return batch
        return None

    def _next(self) -> Row[Any] | None:
        """The one after the last that can go on."""
        with reading():
            now = database_now()
            found: Any = db.session.execute(_NEXT, {"now": now, "last": self._last}).one_or_none()
            found = found or db.session.execute(_FIRST, {"now": now}).one_or_none()
            why = self._too_many_bounces(found) if found is not None else None
            db.session.rollback()
        if found is not None and why is not None:
            finishing.stop(found.id, found.workspace_id, why)
            return self._next()
        return found

    def _too_many_bounces(self, campaign: Row[Any]) -> str | None:
        now = time.monotonic()
        if now - self._watched.get(campaign.id, 0.0) < WATCH_S:
            return None
        self._watched[campaign.id] = now
        return finishing.bounced_too_often(campaign)

    def _claim(self, crew: carriers.Crew, campaign: Row[Any], stream: str) -> work.Batch | None:
        with reading():
            ready = compiling.prepared(campaign.id, campaign.version)
            db.session.rollback()
        carrier = crew.carrier(stream)
        folder: Path = wire.folder_of(settings().instance)
        owner = leases.new_owner()
        notes = wire.Notes.start(folder, owner)
        try:
            failpoints.hit("campaign.notes_begun")
            first_state = crew.transport.first_state
            asked = campaign.id, ready, campaign.version, owner, wire.boot_id(), first_state
            found = expansion.claim(*asked, crew.busy(), portions.next(campaign.id))
            failpoints.hit("campaign.before_claim_commit")
            db.session.commit()
            failpoints.hit("campaign.claimed")
        except BaseException:
            notes.let_go()
            raise
        if not found.rows or carrier is None:
            notes.finish()
            return None
        return work.Batch(owner, notes, found.rows, carrier, make=found.make, is_off=partial(is_off, campaign.id))


def is_off(campaign_id: int) -> bool:
    """Whether a campaign is not to be sent any more. Ends its transaction."""
    with reading():
        state = db.session.scalar(_STATE, {"id": campaign_id})
        db.session.rollback()
    return state != "sending"
