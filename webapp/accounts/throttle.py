"""Back-off for guessing: sign-in, SMTP AUTH. Counts failures by account and by address, in Redis, with a local spare.

Five failures for one account, or twenty from one address, within 15 minutes close that way until the window has passed. An account
that does not exist is counted like one that does, so the answer tells nothing.
"""

import time

import redis
from flask import current_app
from limits.storage import MemoryStorage

from webapp.core import secrets
from webapp.core.errors import TooMany

WINDOW_S = 900
PER_ACCOUNT, PER_ADDRESS = 5, 20
_local = MemoryStorage()


def _keys(door: str, account: str, ip: str | None) -> list[tuple[str, int]]:
    name = secrets.keyed_hash("throttle", account.strip().lower())[:24]
    return [(f"guess:{door}:account:{name}", PER_ACCOUNT), (f"guess:{door}:ip:{ip}", PER_ADDRESS)]


def wait_s(door: str, account: str, ip: str | None) -> int:
    """Seconds until this way is open again; 0 when it is."""
    for key, most in _keys(door, account, ip):
        count, left = _read(key)
        if count >= most:
            return max(1, left)
    return 0


def guard(door: str, account: str, ip: str | None) -> None:
    """raises TooMany while the way is closed"""
    wait = wait_s(door, account, ip)
    if wait:
        minutes = -(-wait // 60)
        raise TooMany(f"Too many failed attempts. Try again in {minutes} minute{'s' if minutes > 1 else ''}.", retry_after_s=wait)


def note_failure(door: str, account: str, ip: str | None) -> None:
    client: redis.Redis = current_app.extensions["redis"]
    for key, _ in _keys(door, account, ip):
        try:
            if client.incr(key) == 1:
                client.expire(key, WINDOW_S)
        except redis.RedisError:
            _local.incr(key, WINDOW_S)


def note_success(door: str, account: str, ip: str | None) -> None:
    """A success clears the account's count; the address keeps its own, or one known password would reset a guesser."""
    client: redis.Redis = current_app.extensions["redis"]
    key = _keys(door, account, ip)[0][0]
    try:
        client.delete(key)
    except redis.RedisError:
        _local.clear(key)


def _read(key: str) -> tuple[int, int]:
    client: redis.Redis = current_app.extensions["redis"]
    try:
        pipe = client.pipeline(transaction=False)
        pipe.get(key)
        pipe.ttl(key)
        count, left = pipe.execute()
        return int(count or 0), int(left)
    except redis.RedisError:
        return _local.get(key), int(_local.get_expiry(key) - time.time())
