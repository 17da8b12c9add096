"""How far a campaign is, for people: parts of the whole, rate, remaining time, and the sentence that says where it stands."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis
from flask import current_app

from webapp.campaigns import allowance
from webapp.campaigns.models import Campaign
from webapp.core.db import utcnow
from webapp.core.wording import span
from webapp.standstill import service as standstill

#: states after which nothing follows by itself, as they stand in the bar, with tones where their own word would mislead
SETTLED = ("sent", "captured", "bounced", "uncertain", "suppressed", "cancelled")
SHOWN = ("sent", "captured", "deferred", "bounced", "uncertain", "held", "suppressed", "cancelled")
#: seconds over which the rate is measured, and how often a sample is taken
WINDOW_S, SAMPLE_S = 60.0, 2.0
MOST_SAMPLES = 60


@dataclass(frozen=True)
class Progress:
    """`total` is an estimate until everybody stands in the ledger; `rate` is mails a minute, None where nothing is known yet."""

    total: int
    settled: int
    is_estimate: bool
    parts: list[dict[str, Any]]
    rate: int | None
    seconds_left: float | None
    at: datetime

    @property
    def ends_at(self) -> datetime | None:
        return None if self.seconds_left is None else self.at + timedelta(seconds=self.seconds_left)


def read(campaign: Campaign, numbers: dict[str, int]) -> Progress:
    """From its row and its counters (`numbers.read`)."""
    in_ledger = sum(numbers[part] for part in (*SHOWN, "queued", "leased"))
    total = in_ledger if campaign.is_expanded else max(campaign.recipients_count, in_ledger)
    settled = sum(numbers[part] for part in SETTLED)
    rate = _rate(campaign, settled) if campaign.state == "sending" else None
    left = max(0, total - settled - numbers["held"])
    seconds = left / rate * 60 if rate and left else None
    return Progress(total, settled, not campaign.is_expanded, _parts(campaign, numbers, total, in_ledger), rate, seconds, utcnow())


def _parts(campaign: Campaign, numbers: dict[str, int], total: int, in_ledger: int) -> list[dict[str, Any]]:
    """The parts of the bar, empty ones left out but for `sent`; those whose turn has not come at the end."""
    always = "captured" if numbers["captured"] else "sent"
    parts = [{"word": state, "count": numbers[state], "key": state} for state in SHOWN if numbers[state] or state == always]
    if numbers["leased"]:
        parts.append({"word": "sending", "count": numbers["leased"], "key": "leased"})
    ahead = numbers["queued"] + max(0, total - in_ledger)
    if ahead and campaign.state == "cancelled":
        parts.append({"word": "not sent", "count": ahead, "key": None, "tone": "off"})
    elif ahead:
        parts.append({"word": "waiting", "count": ahead, "key": "queued" if numbers["queued"] else None})
    return parts


def _rate(campaign: Campaign, settled: int) -> int | None:
    """Mails a minute over the last minute, as far as somebody looked; else since the start. Never above its limit: a few say little."""
    now = time.time()
    then, before = _sampled(campaign.id, now, settled)
    since = (utcnow() - campaign.started_at).total_seconds() if campaign.started_at is not None else 0.0
    if now - then >= 3 and settled > before:
        rate = (settled - before) / (now - then) * 60
    elif settled > 0 and since > 1:
        rate = settled / since * 60
    else:
        return None
    return max(1, round(min(rate, campaign.send_rate or rate)))


def _sampled(campaign_id: int, now: float, settled: int) -> tuple[float, int]:
    """The oldest sample within the window; this one is kept for those who look next. Without Redis there is none."""
    client: redis.Redis = current_app.extensions["redis"]
    key = f"campaign-pace:{campaign_id}"
    try:
        kept: Any = client.lrange(key, 0, -1)
        samples = [(float(at), int(number)) for at, _, number in (bytes(one).decode().partition(":") for one in kept)]
        samples = [(at, number) for at, number in samples if now - WINDOW_S <= at <= now and number <= settled]
        if not samples or now - samples[-1][0] >= SAMPLE_S:
            pipe = client.pipeline(transaction=False)
            pipe.rpush(key, f"{now:.3f}:{settled}")
            pipe.ltrim(key, -MOST_SAMPLES, -1)
            pipe.expire(key, int(WINDOW_S * 2))
            pipe.execute()
        return samples[0] if samples else (now, settled)
    except (redis.RedisError, ValueError):
        return now, settled


# --- the sentence ----------------------------------------------------------------------------------------------


def people(number: int) -> str:
    return f"{number:,} {'person' if number == 1 else 'people'}"


def sentence(campaign: Campaign, numbers: dict[str, int], found: Progress) -> tuple[str, str, str]:
    """(tone, what is and why, what comes next) for the top of its page."""
    return _SENTENCES[campaign.state](campaign, numbers, found)


def _draft(campaign: Campaign, numbers: dict[str, int], found: Progress) -> tuple[str, str, str]:
    return "wait", "A draft: nobody gets it before somebody sends or schedules it.", ""


def _scheduled(campaign: Campaign, numbers: dict[str, int], found: Progress) -> tuple[str, str, str]:
    text = f"It goes out by itself at its time, to about {people(campaign.recipients_count)} as of now."
    return "wait", text, "Who gets it is found out then: those who match at that moment and still want mail."


def _sending(campaign: Campaign, numbers: dict[str, int], found: Progress) -> tuple[str, str, str]:
    if standstill.stands():
        return "wait", f"It waits, with {people(max(0, found.total - found.settled))} to go: sending stands still.", "Nobody is lost."
    if (why := allowance.why_waits(campaign)) is not None:
        return "wait", f"It waits, with {people(max(0, found.total - found.settled))} to go. {why}", "It goes on by itself; nobody is lost."
    if not found.settled:
        return "busy", "It begins: the first copies are on their way.", "Pausing stops it within a second; nobody gets it twice."
    if numbers["waiting"] and numbers["waiting"] == numbers["deferred"] + numbers["held"]:
        return "busy", f"Everybody was tried. {people(numbers['deferred'])} are tried again, because their servers asked to wait.", ""
    return "busy", f"{people(numbers['waiting'])} are left.", "Pausing stops it within a second; nobody gets it twice."


def _paused(campaign: Campaign, numbers: dict[str, int], found: Progress) -> tuple[str, str, str]:
    left = f"{people(numbers['waiting'])} wait and nobody is lost."
    if campaign.paused_why:
        return "warn", f"It paused by itself: {campaign.paused_why}", f"{left} Look at what bounced before you resume it."
    return "off", f"Paused. {left}", "Resuming goes on where it stood. A change of the letter now is for those who wait."


def _sent(campaign: Campaign, numbers: dict[str, int], found: Progress) -> tuple[str, str, str]:
    got = numbers["sent"] + numbers["captured"]
    text = f"Done: {people(got)} got it"
    text += f", {numbers['bounced']:,} bounced." if numbers["bounced"] else "."
    if campaign.started_at is not None and campaign.sent_at is not None:
        text += f" It took {span((campaign.sent_at - campaign.started_at).total_seconds())}."
    kept = f"{numbers['captured']:,} were kept here on purpose: the transport lets nothing leave." if numbers["captured"] else ""
    return "ok", text, kept


def _cancelled(campaign: Campaign, numbers: dict[str, int], found: Progress) -> tuple[str, str, str]:
    if campaign.started_at is None:
        return "off", "Cancelled before it began: nobody got it.", "Duplicate it to write it anew."
    got = numbers["sent"] + numbers["captured"]
    return "off", f"Cancelled: {people(got)} had it already, the others do not get it.", "Duplicate it to write to others."


_SENTENCES = {
    "draft": _draft, "scheduled": _scheduled, "sending": _sending, "paused": _paused, "sent": _sent, "cancelled": _cancelled,
}  # fmt: skip
