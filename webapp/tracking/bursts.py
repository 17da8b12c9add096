"""Which links of a copy were clicked within the last seconds, over all web processes, so that a scanner is known by its haste.

The clicks of one copy stand in Redis for SECONDS. Redis being away is no failure: then a process knows its own clicks alone.
"""

import logging
from collections.abc import Iterable
from datetime import datetime

import redis
from flask import current_app

from webapp.tracking.counting import Clicks, Hit

log = logging.getLogger("mailroom.tracking")
SECONDS, MOST = 30, 100


def note(campaign_id: int, contact_id: int, link: int, at: datetime) -> None:
    """A click, as it comes in."""
    client: redis.Redis = current_app.extensions["redis"]
    key = _key(campaign_id, contact_id)
    try:
        pipe = client.pipeline(transaction=False)
        pipe.rpush(key, f"{link}:{_ms(at)}")
        pipe.ltrim(key, -MOST, -1)
        pipe.expire(key, SECONDS)
        pipe.execute()
    except redis.RedisError as error:
        log.debug("redis away, bursts are looked for in this process alone: %s", error)


def recent(hits: Iterable[Hit]) -> Clicks:
    """(campaign, contact) -> (link, milliseconds) of the clicks beside those of these hits."""
    clicks = [hit for hit in hits if hit.link]
    found: Clicks = {}
    for hit in clicks:
        found.setdefault((hit.campaign_id, hit.contact_id), []).append((hit.link, _ms(hit.at)))
    client: redis.Redis = current_app.extensions["redis"]
    try:
        pipe = client.pipeline(transaction=False)
        for pair in found:
            pipe.lrange(_key(*pair), 0, -1)
        for pair, lines in zip(found, pipe.execute() if found else [], strict=True):
            found[pair] += [(int(link), int(ms)) for link, _, ms in (line.decode().partition(":") for line in lines)]
    except redis.RedisError as error:
        log.debug("redis away, bursts are looked for in this process alone: %s", error)
    return found


def _key(campaign_id: int, contact_id: int) -> str:
    return f"clicks:{campaign_id}:{contact_id}"


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
