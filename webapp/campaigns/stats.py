"""What became of a campaign, in numbers: counts, rates, links, hours, and who did what (reference/mailtrixy.md section 5.4).

    read(campaigns)            {id: Stats} for a whole list, one query
    spans(campaign)            sent, opened and clicked by hour or day, for charts
    minutes(campaign)          the same by minute, for the first two hours
    links(campaign)            each tracked link with its clicks
    engagements(campaign, …)   one row per contact that did something
    report(campaign)           the first three together

Nothing is counted when it is asked for: the transactions that record results, opens and clicks keep the numbers. So they are as old as the
moment of reading, opens and clicks up to LAG_S more, because these are written in batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from webapp.campaigns import numbers
from webapp.campaigns.models import Campaign, CampaignLink
from webapp.campaigns.tallies import BY_MINUTE
from webapp.contacts.models import Contact, Engagement, LinkClick
from webapp.core import counters, rollups
from webapp.core.db import db, utcnow
from webapp.core.paging import Page, PageRequest, keyset

#: how much later than everything else opens and clicks are counted, in seconds
LAG_S = 4
#: states of the ledger that count as tried, for the bounce rate
TRIED = ("sent", "bounced", "deferred", "uncertain")
#: hours are shown for so long after the start, days afterwards, nothing beyond
HOURS, CHARTED = timedelta(hours=72), timedelta(days=31)
SERIES = ("sent", "opened", "clicked")
#: filter of `engagements` -> the column that has to be filled
DID = {name: f"{name}_at" for name in ("opened", "clicked", "unsubscribed", "complained")}


@dataclass(frozen=True)
class Stats:
    """The numbers of one campaign.

    numbers   as `numbers.read` gives them: each state of the ledger, delivered, opened, clicked, unsubscribed, complained, opens_total,
              clicks_total, machine_opens, machine_clicks, machine_opened (people whose copy machines alone opened; not in `opened`),
              skipped, waiting
    as_of     when it was read
    """

    numbers: dict[str, int]
    as_of: datetime

    @property
    def arrived(self) -> int:
        """What open, click and unsubscribe rate are of: taken by the other side and not bounced later; kept mail of a try-out counts."""
        return self.numbers["delivered"] + self.numbers["captured"]

    @property
    def attempted(self) -> int:
        """What the bounce rate is of."""
        return sum(self.numbers[state] for state in TRIED)

    def rates(self) -> dict[str, float]:
        """Percent with two decimals; 0 where there is nothing to share."""
        of_arrived = {"open_rate": "opened", "click_rate": "clicked", "unsubscribe_rate": "unsubscribed", "complaint_rate": "complained"}
        return {
            **{rate: percent(self.numbers[name], self.arrived) for rate, name in of_arrived.items()},
            "click_to_open_rate": percent(self.numbers["clicked"], self.numbers["opened"]),
            "bounce_rate": percent(self.numbers["bounced"], self.attempted),
        }


@dataclass(frozen=True)
class Span:
    """One minute, hour or day of a chart. opened and clicked: people who did so for the first time."""

    begins: datetime
    sent: int
    opened: int
    clicked: int


@dataclass(frozen=True)
class LinkStats:
    """One tracked link. `people`: contacts who clicked it, once each; `clicks`: how often; `machine_clicks`: by programs."""

    number: int
    url: str
    people: int
    clicks: int
    machine_clicks: int


def percent(part: int, whole: int) -> float:
    """
    >>> percent(1, 3)
    33.33
    """
    return round(100.0 * part / whole, 2) if whole > 0 else 0.0


def read(campaigns: Sequence[Campaign]) -> dict[int, Stats]:
    """By campaign id."""
    if not campaigns:
        return {}
    found = numbers.read(campaigns)
    now = utcnow()
    return {campaign.id: Stats(found[campaign.id], now) for campaign in campaigns}


def spans(campaign: Campaign) -> list[Span]:
    """From the start to now, by hour for the first three days and by day afterwards, for a month; the oldest first."""
    if campaign.started_at is None:
        return []
    ends = min(utcnow(), campaign.started_at + CHARTED)
    by_day = ends - campaign.started_at > HOURS
    hour = _whole(campaign.started_at)
    hours = []
    while hour <= ends:
        hours.append(hour)
        hour += timedelta(hours=1)
    names = {(hour, what): f"campaign:{campaign.id}:{rollups.name('hour', hour, what)}" for hour in hours for what in SERIES}
    found = counters.read_many(campaign.workspace_id, list(names.values()))
    sums: dict[datetime, dict[str, int]] = {}
    for (hour, what), name in names.items():
        begins = hour.replace(hour=0) if by_day else hour
        row = sums.setdefault(begins, dict.fromkeys(SERIES, 0))
        row[what] += found[name]
    return [Span(begins, **row) for begins, row in sorted(sums.items())]


def minutes(campaign: Campaign) -> list[Span]:
    """From the start to now, for two hours at most, the oldest first; all zero for campaigns of before minutes were counted."""
    if campaign.started_at is None:
        return []
    ends = min(utcnow(), campaign.started_at + BY_MINUTE)
    begins = [_whole(campaign.started_at).replace(minute=campaign.started_at.minute)]
    while begins[-1] + timedelta(minutes=1) <= ends:
        begins.append(begins[-1] + timedelta(minutes=1))
    names = {(at, what): f"campaign:{campaign.id}:{rollups.name('minute', at, what)}" for at in begins for what in SERIES}
    found = counters.read_many(campaign.workspace_id, list(names.values()))
    return [Span(at, **{what: found[names[at, what]] for what in SERIES}) for at in begins]


def _whole(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def links(campaign: Campaign) -> list[LinkStats]:
    """In the order of the letter."""
    rows = db.session.execute(
        select(CampaignLink.number, CampaignLink.url).where(CampaignLink.campaign_id == campaign.id).order_by(CampaignLink.number)
    ).all()
    names = {(row.number, part): f"campaign:{campaign.id}:link:{row.number}{part}" for row in rows for part in ("", ":people", ":machines")}
    found = counters.read_many(campaign.workspace_id, list(names.values())) if names else {}
    return [
        LinkStats(
            row.number, row.url, found[names[row.number, ":people"]], found[names[row.number, ""]], found[names[row.number, ":machines"]]
        )
        for row in rows
    ]


def report(campaign: Campaign) -> dict[str, Any]:
    """stats (Stats), rates, links, spans, as_of"""
    stats = read([campaign])[campaign.id]
    return {"stats": stats, "rates": stats.rates(), "links": links(campaign), "spans": spans(campaign), "as_of": stats.as_of}


def engagements(campaign: Campaign, asked: PageRequest, filters: dict[str, Any]) -> Page[Any]:
    """Contacts that did something, by contact id: contact_id, email, name, the times and numbers of `Engagement`.

    filters  did (opened, clicked, unsubscribed, complained: by a person), link (number of a link that they clicked)
    """
    row = Engagement.__table__.c
    query: Any = select(
        row.contact_id, Contact.email, Contact.name, row.opened_at, row.clicked_at, row.unsubscribed_at, row.complained_at, row.opens,
        row.clicks, row.machine_opens, row.machine_clicks,
    ).join(Contact, Contact.id == row.contact_id)  # fmt: skip
    query = query.where(row.campaign_id == campaign.id, Contact.workspace_id == campaign.workspace_id)
    if filters.get("did") in DID:
        query = query.where(row[DID[filters["did"]]].is_not(None))
    if filters.get("link"):
        theirs = LinkClick.campaign_id == campaign.id, LinkClick.link == filters["link"], LinkClick.clicks > 0
        query = query.where(row.contact_id.in_(select(LinkClick.contact_id).where(*theirs)))
    return keyset(query, asked, keys=[row.contact_id], count=False, scalars=False, newest_first=False)
