"""Rate limits: one counter per token and family in Redis; a local one while Redis is away (DESIGN section 4, "Rate limits").

Fixed windows of a minute, aligned to the clock, so that one round trip answers and `X-RateLimit-Reset` needs no second one.

Limits up to 2,000 a minute are counted one by one. Of larger ones a process takes a thousandth at once and hands it out itself: never
more than the limit passes, and what a process has taken and not used at the end of a window is at most that thousandth.
"""

import logging
import threading
import time
from dataclasses import dataclass

import redis
from flask import Response, current_app, g
from limits.storage import MemoryStorage

from webapp.core.errors import TooMany

log = logging.getLogger("mailroom.limits")

#: requests per minute; path families first, then token kinds
DEFAULTS = {
    "general": 60, "contacts": 120, "campaign_sends": 10, "ai": 30, "analytics": 20, "ops": 120, "message": 60, "sign_in": 20,
    # by address: opens and clicks that are counted, public pages that are shown
    "tracking": 20_000, "public": 300,
}  # fmt: skip
KIND_FAMILY = {"ops": "ops", "message": "message", "workspace": "general"}
#: families of scopes whose paths have a limit of their own
PATH_FAMILIES = frozenset({"contacts", "ai", "analytics"})
ALWAYS_ON = frozenset({"sign_in"})
_local = MemoryStorage()
#: at most this share of a limit is taken from Redis at once
SHARES = 1000
_blocks: dict[str, "Block"] = {}
_blocks_lock = threading.Lock()


@dataclass
class Block:
    """Requests that this process has counted in Redis already and may hand out: numbers up to `end`, `left` of them unused."""

    end: int
    left: int


@dataclass(frozen=True)
class Reading:
    limit: int
    remaining: int
    reset_at: int


def parse(text: str) -> dict[str, int] | None:
    """The value of MAILROOM_RATE_LIMITS as limits per minute; None for `off`.

    raises ValueError with a sentence for what is neither on, off nor `family=N/minute`
    """
    chosen = dict(DEFAULTS)
    for part in (p.strip() for p in text.split(",")):
        if part in ("", "on"):
            continue
        if part == "off":
            return None
        name, _, amount = part.partition("=")
        if name == "mailtrap" and amount == "on":
            chosen["mailtrap"] = 150
            continue
        number, _, period = amount.partition("/")
        if name not in DEFAULTS or not number.isdigit() or period not in ("minute", ""):
            raise ValueError(f"{part!r} is not a limit; write on, off or for example general=600/minute ({', '.join(DEFAULTS)})")
        chosen[name] = int(number)
    return chosen


def family_of(scope: str | None, kind: str, family: str | None = None) -> str:
    """Which limit counts a request: the family of its paths where that has one, else the kind of its token (DESIGN section 3)."""
    if family is not None:
        return family
    of_scope = (scope or "").split(":", 1)[0]
    return of_scope if of_scope in PATH_FAMILIES else KIND_FAMILY[kind]


def hit(family: str, who: str) -> Reading | None:
    """Count one request and say what is left; None when limits are off.

    raises TooMany when the window is used up
    """
    allowed: dict[str, int] | None = current_app.config["RATE_LIMITS"]
    if allowed is None:
        if family not in ALWAYS_ON:
            return None
        allowed = DEFAULTS
    limit = allowed[family]
    now = time.time()
    window = int(now // 60)
    count = _count(f"limit:{family}:{who}:{window}", max(1, limit // SHARES))
    reading = Reading(limit, max(0, limit - count), (window + 1) * 60)
    if count > limit:
        g.rate_limit = reading
        wait = max(1, int(reading.reset_at - now) + 1)
        raise TooMany(f"More than {limit} requests in a minute.", retry_after_s=wait, more={"limit": limit, "family": family})
    return reading


def _count(key: str, step: int) -> int:
    """The number of this request within its window."""
    if step == 1:
        return _add(key, 1)
    with _blocks_lock:
        block = _blocks.get(key)
        if block is not None and block.left:
            block.left -= 1
            return block.end - block.left
    end = _add(key, step)
    with _blocks_lock:
        if len(_blocks) > SHARES:  # mostly of windows that are over
            _blocks.clear()
        _blocks[key] = Block(end, step - 1)
    return end - step + 1


def _add(key: str, number: int) -> int:
    client: redis.Redis = current_app.extensions["redis"]
    try:
        pipe = client.pipeline(transaction=False)
        pipe.incrby(key, number)
        pipe.expire(key, 70)
        return int(pipe.execute()[0])
    except redis.RedisError as error:
        log.debug("redis away, counting locally: %s", error)
        return int(_local.incr(key, 70, number))


def add_headers(response: Response) -> None:
    reading: Reading | None = g.get("rate_limit")
    if reading is not None:
        add = response.headers.add
        add("X-RateLimit-Limit", str(reading.limit))
        add("X-RateLimit-Remaining", str(reading.remaining))
        add("X-RateLimit-Reset", str(reading.reset_at))
