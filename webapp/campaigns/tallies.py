"""The numbers of a campaign, kept by the transactions that change its ledger.

    campaign:7:sent               copies in each state of the ledger
    campaign:7:hour:2026-…T08:sent   how many left in each hour, and in each minute of the first two hours
    campaign_domains              how the recipients at one domain fare: total, sent, deferred, bounced
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from webapp.campaigns.models import Campaign, CampaignDomain
from webapp.core import counters, rollups
from webapp.core.db import db, utcnow
from webapp.core.fast_rows import Statement
from webapp.core.pending import Pending
from webapp.sending.models import STATES

#: columns of `campaign_domains`, and which states of the ledger they add up: a copy that is kept here on purpose left as far as it could
AT_DOMAINS = ("sent", "deferred", "bounced")
COLUMN_OF = {"sent": "sent", "captured": "sent", "deferred": "deferred", "bounced": "bounced"}
#: states after which a copy counts as tried, for the bounce rate
TRIED = ("sent", "bounced", "deferred", "uncertain")

#: minutes are counted for so long after the start
BY_MINUTE = timedelta(hours=2)

Move = tuple[Any, str | None, str | None]


def name(campaign_id: int, state: str) -> str:
    """The counter of a campaign's copies in a state."""
    return f"campaign:{campaign_id}:{state}"


def hour_name(campaign_id: int, what: str) -> str:
    """The counter of what happened in the running hour."""
    return f"campaign:{campaign_id}:{rollups.name('hour', utcnow(), what)}"


def states(campaign: Any) -> dict[str, int]:
    """How many copies are in each state; every state is there."""
    found = counters.read_many(campaign.workspace_id, [name(campaign.id, state) for state in STATES])
    return {state: found[name(campaign.id, state)] for state in STATES}


def total(workspace_id: int, campaign_id: int) -> int:
    """How many rows a campaign has, with those of the running transaction."""
    names = [name(campaign_id, state) for state in STATES]
    noted = _counters.of(db.session)
    return sum(counters.read_many(workspace_id, names).values()) + sum(noted.get((workspace_id, one), 0) for one in names)


def tried(campaign: Any) -> tuple[int, int]:
    """How many copies were tried, and how many of these bounced."""
    found = states(campaign)
    return sum(found[state] for state in TRIED), found["bounced"]


def moved(moves: Iterable[Move]) -> None:
    """Rows of campaigns changed: (row with workspace_id, campaign_id and domain; state before or None; state after)."""
    sums: dict[tuple[int, int, str | None, str | None], int] = {}
    at_domains: dict[tuple[int, str, str | None, str | None], int] = {}
    for row, before, after in moves:
        if row.campaign_id is None or before == after:
            continue
        key = (row.workspace_id, row.campaign_id, before, after)
        sums[key] = sums.get(key, 0) + 1
        place = (row.campaign_id, row.domain, before, after)
        at_domains[place] = at_domains.get(place, 0) + 1
    note(sums, at_domains)


def moved_many(sums: Mapping[tuple[int, int, str], int], before: str | None, after: str | None) -> None:
    """The same for rows that all changed alike: (workspace, campaign, domain) -> how many."""
    by_campaign: dict[tuple[int, int, str | None, str | None], int] = {}
    at_domains: dict[tuple[int, str, str | None, str | None], int] = {}
    for (workspace_id, campaign_id, domain), number in sums.items():
        key, place = (workspace_id, campaign_id, before, after), (campaign_id, domain, before, after)
        by_campaign[key] = by_campaign.get(key, 0) + number
        at_domains[place] = at_domains.get(place, 0) + number
    note(by_campaign, at_domains)


def note(
    sums: dict[tuple[int, int, str | None, str | None], int], at_domains: dict[tuple[int, str, str | None, str | None], int]
) -> None:
    """The same, added up already: (workspace, campaign, before, after) and (campaign, domain, before, after) -> how many rows."""
    for (workspace_id, campaign_id, before, after), number in sums.items():
        if before is not None:
            _counters.note((workspace_id, name(campaign_id, before)), -number)
        if after is not None:
            _counters.note((workspace_id, name(campaign_id, after)), number)
        if after in ("sent", "captured"):
            _counters.note((workspace_id, hour_name(campaign_id, "sent")), number)
    for (campaign_id, domain, before, after), number in at_domains.items():
        if before is None:
            _domains.note((campaign_id, domain, "total"), number)
        if before in COLUMN_OF:
            _domains.note((campaign_id, domain, COLUMN_OF[before]), -number)
        if after in COLUMN_OF:
            _domains.note((campaign_id, domain, COLUMN_OF[after]), number)


#: made once: building a statement takes longer than running one of these
_THERE = select(Campaign.id).where(Campaign.id.in_(bindparam("ids", expanding=True)))
_YOUNG = _THERE.add_columns(Campaign.workspace_id).where(Campaign.started_at > bindparam("since"))


def _write_counters(session: Session, noted: dict[tuple[int, str], int]) -> None:
    counters.bump_many(noted | _in_minutes(session, noted), session)


def _in_minutes(session: Session, noted: dict[tuple[int, str], int]) -> dict[tuple[int, str], int]:
    """What left in this hour, once more by the minute, of campaigns that began lately."""
    left: dict[int, int] = {}
    for (_, counter), by in noted.items():
        if ":hour:" in counter:
            campaign_id = int(counter.split(":")[1])
            left[campaign_id] = left.get(campaign_id, 0) + by
    if not left:
        return {}
    now = utcnow()
    minute = rollups.name("minute", now, "sent")
    rows = session.execute(_YOUNG, {"ids": list(left), "since": now - BY_MINUTE})
    return {(row.workspace_id, f"campaign:{row.id}:{minute}"): left[row.id] for row in rows}


def _write_domains(session: Session, noted: dict[tuple[int, str, str], int]) -> None:
    there = set(session.scalars(_THERE, {"ids": sorted({key[0] for key in noted})}))
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    for (campaign_id, domain, column), by in sorted(noted.items()):
        if campaign_id not in there:  # it was purged; its rows stay in the sending log
            continue
        empty = {"campaign_id": campaign_id, "domain": domain, "total": 0, **dict.fromkeys(AT_DOMAINS, 0)}
        rows.setdefault((campaign_id, domain), empty)[column] = by
    if rows:
        _upsert.many(list(rows.values()), session)


def _make_upsert(dialect: str) -> Any:
    table: Any = CampaignDomain.__table__
    new: Any = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    sums = {column: table.c[column] + new.excluded[column] for column in ("total", *AT_DOMAINS)}
    return new.on_conflict_do_update(index_elements=["campaign_id", "domain"], set_=sums)


_upsert = Statement(_make_upsert)
_counters: Pending[tuple[int, str]] = Pending("campaign counters", _write_counters)
_domains: Pending[tuple[int, str, str]] = Pending("campaign domains", _write_domains)
