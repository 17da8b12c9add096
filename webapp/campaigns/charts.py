"""What became of a campaign over time, by link and by server, made ready to be painted."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from webapp.campaigns import stats
from webapp.campaigns.models import Campaign, CampaignDomain
from webapp.campaigns.stats import LinkStats, Span
from webapp.core.db import db, utcnow

WIDTH, HEIGHT = 600.0, 320.0
#: places of one plot at least, so that a bar is no wall
FEWEST = 12
TONES = {"sent": "ok", "opened": "busy", "clicked": "wait"}


def over_time(campaign: Campaign) -> dict[str, Any] | None:
    """Rows of bars over the same hours or days, one for each of `TONES` that happened; None where nothing did."""
    rows = stats.spans(campaign)
    while len(rows) > FEWEST and not any(getattr(rows[-1], what) for what in TONES):
        rows.pop()
    sums = {what: sum(getattr(row, what) for row in rows) for what in TONES}
    if not any(sums.values()):
        return None
    slots = max(FEWEST, len(rows))
    plots = [_plot(what, rows, slots, sums[what]) for what in TONES if what == "sent" or sums[what]]
    by_day = len(rows) > 1 and (rows[1].begins - rows[0].begins).days >= 1
    marks = [row.begins for row in rows][:: max(1, -(-len(rows) // 6))]
    return {"plots": plots, "marks": marks, "by_day": by_day, "at": utcnow(), "number": len(rows)}


def _plot(what: str, rows: Sequence[Span], slots: int, total: int) -> dict[str, Any]:
    numbers = [getattr(row, what) for row in rows]
    top, each = max(1, *numbers), WIDTH / slots
    bars = []
    for place, number in enumerate(numbers):
        if number:
            tall = HEIGHT * number / top
            x, y, width = place * each + 1.5, HEIGHT - tall, max(1.0, each - 3)
            bars.append({"x": round(x, 1), "y": round(y, 1), "width": round(width, 1), "height": round(tall, 1)})
    return {"what": what, "tone": TONES[what], "top": top, "total": total, "bars": bars}


def links(campaign: Campaign, most: int) -> list[LinkStats]:
    """Tracked links, those that most people clicked first."""
    return sorted(stats.links(campaign), key=lambda link: (-link.people, link.number))[:most]


def domains(campaign: Campaign, most: int) -> dict[str, Any]:
    """How the largest receiving domains fare, and all others in one row."""
    columns = (CampaignDomain.total, CampaignDomain.sent, CampaignDomain.deferred, CampaignDomain.bounced)
    mine = CampaignDomain.campaign_id == campaign.id
    query = select(CampaignDomain.domain, *columns).where(mine).order_by(CampaignDomain.total.desc(), CampaignDomain.domain)
    rows: list[Any] = list(db.session.execute(query.limit(most)))
    sums: list[Any] = [func.coalesce(func.sum(column), 0) for column in columns]
    every = db.session.execute(select(func.count(), *sums).where(mine)).one()
    rest = [int(every[place]) - sum(int(row[place]) for row in rows) for place in range(1, len(columns) + 1)]
    return {"rows": rows, "others": int(every[0]) - len(rows), "rest": rest}
