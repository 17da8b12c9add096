"""What is brought up to date behind the scenes, a bounded piece at a time: when contacts were written to, and the numbers of campaigns.

    follow()     reads the event stream from where it stopped and sets `contacts.last_contacted_at`, by the ten thousand
    recount()    compares the counters of one campaign with its rows and mends what differs; the next turn takes the next campaign
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, literal, select, union_all

from webapp.campaigns.models import Campaign
from webapp.contacts.models import Contact, Engagement
from webapp.core import counters
from webapp.core.bulk import among, update_rows
from webapp.core.counters import Counter
from webapp.core.db import db, reading, utcnow
from webapp.happenings.models import Event
from webapp.tracking.sums import OF_ROWS

log = logging.getLogger("mailroom.tracking")
#: counters of the installation, which belong to no workspace: the last event that was followed, the last campaign that was recounted
NOWHERE, FOLLOWED, RECOUNTED = 0, "tracking:followed", "tracking:recounted"
#: events looked at in one transaction
BATCH = 10_000
#: events are followed when they are so old, because transactions that run side by side write ids out of order
SETTLED = timedelta(seconds=30)
#: campaigns that began earlier are not recounted any more
RECENT = timedelta(days=90)


def follow() -> int:
    """Take up to BATCH events; returns how many there were. The caller commits."""
    with reading():
        since = counters.read(NOWHERE, FOLLOWED)
        query = select(Event.id, Event.at, Event.type, Event.workspace_id, Event.contact_id, Event.recipient)
        rows = db.session.execute(query.where(Event.id > since).order_by(Event.id).limit(BATCH)).all()
        settled = utcnow() - SETTLED
        rows = rows[: next((place for place, row in enumerate(rows) if row.at > settled), len(rows))]
        written = _written(rows)
        db.session.rollback()
    if not rows or not _advance(FOLLOWED, since, rows[-1].id):
        return 0
    update_rows(Contact, ("id", "last_contacted_at"), sorted(written.items()))
    return len(rows)


def _written(rows: Sequence[Any]) -> dict[int, datetime]:
    """contact -> when mail to them left, of these events."""
    by_id: dict[int, datetime] = {}
    by_address: dict[int, dict[str, datetime]] = {}
    for row in rows:
        if row.type == "sent" and row.contact_id is not None:
            by_id[row.contact_id] = row.at
        elif row.type == "sent" and row.recipient:
            by_address.setdefault(row.workspace_id, {})[row.recipient] = row.at
    for workspace_id, addresses in by_address.items():
        theirs = Contact.workspace_id == workspace_id, among(Contact.address, list(addresses))
        for row in db.session.execute(select(Contact.id, Contact.address).where(*theirs)):
            at = addresses[row.address]
            by_id[row.id] = max(at, by_id.get(row.id, at))
    return by_id


def _advance(name: str, since: int, to: int) -> bool:
    """Move a position on; False, and nothing done, when somebody else did it meanwhile."""
    counters.bump(NOWHERE, name, to - since)
    if counters.read(NOWHERE, name) == to:
        return True
    db.session.rollback()
    return False


def recount() -> dict[str, int]:
    """Compare the counters of the next campaign with its rows; returns what was wrong, by how much. The caller commits.

    Rows and counters are read by one statement, so that what is counted meanwhile is in both or in neither.
    """
    with reading():
        last = counters.read(NOWHERE, RECOUNTED)
        recent = select(Campaign.id, Campaign.workspace_id).where(Campaign.started_at > utcnow() - RECENT).order_by(Campaign.id)
        row = db.session.execute(recent.where(Campaign.id > last).limit(1)).one_or_none()
        wrong = {} if row is None else _differences(row.id, row.workspace_id)
        db.session.rollback()
    upto = 0 if row is None else row.id
    if upto != last and not _advance(RECOUNTED, last, upto):
        return {}
    if wrong and row is not None:
        log.warning("counters of campaign %s were mended: %s", row.id, wrong)
        counters.bump_many({(row.workspace_id, f"campaign:{row.id}:{name}"): by for name, by in wrong.items()})
    return wrong


def _differences(campaign_id: int, workspace_id: int) -> dict[str, int]:
    """name -> what its counter lacks."""
    names = tuple(OF_ROWS)
    rows = select(*(number.label(name) for name, number in OF_ROWS.items())).where(Engagement.campaign_id == campaign_id).subquery()
    prefix = f"campaign:{campaign_id}:"
    known = {f"{prefix}{way}{name}" for name in names for way in ("", "gone:")}
    ours = select(Counter.name, Counter.number).where(Counter.workspace_id == workspace_id, Counter.name.in_(known))
    parts = [select(literal(f"row:{name}"), func.coalesce(rows.c[name], 0)).select_from(rows) for name in names]
    found = {str(name): int(number) for name, number in db.session.execute(union_all(ours, *parts))}
    by_rows = {name: found[f"row:{name}"] + found.get(f"{prefix}gone:{name}", 0) for name in names}
    lacks = {name: by_rows[name] - found.get(f"{prefix}{name}", 0) for name in names}
    return {name: by for name, by in lacks.items() if by}
