"""What became of a campaign over time, by link and by server, made ready to be painted."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from webapp.campaigns import stats
from webapp.campaigns.models import Campaign, CampaignDomain
from webapp.campaigns.stats import LinkStats, Span
from webapp.core.db import db, utcnow

WIDTH, HEIGHT = 600.0, 320.0
#: names under the plot, at even distances
MARKS = 6
#: tone of each row of bars; what has none is an amount without judgement
TONES = {"sent": "", "opened": "busy", "clicked": "ok"}
#: what a bar stands for -> its length, and places of one plot at least, so that a bar is no wall (divisible by MARKS)
UNITS = {"minute": (timedelta(minutes=1), 30), "hour": (timedelta(hours=1), 12), "day": (timedelta(days=1), 12)}


def over_time(campaign: Campaign, wanted: str | None = None) -> dict[str, Any] | None:
    """Rows of bars over the same time, one for each of `TONES` that happened; None where nothing did.

    wanted   "minute" for the first two hours, "hour" for all of it; by itself minutes while the campaign is that young
    returns  plots, unit (minute, hour, day), marks (times under the plot), number (of bars), other (what else can be wanted, or None), at
    """
    minutes, whole = _trimmed(stats.minutes(campaign), "minute"), _trimmed(stats.spans(campaign), "hour")
    by_minute = any(_sum(minutes, what) for what in TONES)
    young = campaign.started_at is not None and utcnow() - campaign.started_at < stats.BY_MINUTE
    unit = "minute" if by_minute and (wanted == "minute" or (young and wanted != "hour")) else "hour"
    rows = minutes if unit == "minute" else whole
    sums = {what: _sum(rows, what) for what in TONES}
    if not any(sums.values()):
        return None
    if unit == "hour" and len(rows) > 1 and (rows[1].begins - rows[0].begins).days >= 1:
        unit = "day"
    length, fewest = UNITS[unit]
    slots = -(-max(fewest, len(rows)) // MARKS) * MARKS
    return {
        "plots": [_plot(what, rows, slots, sums[what]) for what in TONES if what == "sent" or sums[what]], "unit": unit,
        "marks": [rows[0].begins + length * (slots // MARKS) * place for place in range(MARKS)], "number": len(rows), "at": utcnow(),
        "other": None if not by_minute else "hour" if unit == "minute" else "minute",
    }  # fmt: skip


def _trimmed(rows: list[Span], unit: str) -> list[Span]:
    """Without the quiet at the end."""
    while len(rows) > UNITS[unit][1] and not any(getattr(rows[-1], what) for what in TONES):
        rows.pop()
    return rows


def _sum(rows: Sequence[Span], what: str) -> int:
    return sum(getattr(row, what) for row in rows)


def _plot(what: str, rows: Sequence[Span], slots: int, total: int) -> dict[str, Any]:
    numbers = [getattr(row, what) for row in rows]
    top, each = max(1, *numbers), WIDTH / slots
    gap = min(3.0, each / 4)
    bars = []
    for place, number in enumerate(numbers):
        if number:
            tall = max(4.0, HEIGHT * number / top)
            x, y = place * each + gap / 2, HEIGHT - tall
            bar = {"x": round(x, 1), "y": round(y, 1), "width": round(each - gap, 1), "height": round(tall, 1)}
            bars.append({**bar, "number": number, "begins": rows[place].begins})
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
