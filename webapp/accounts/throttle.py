"""Back-off for guessing: sign-in, one-time codes, SMTP AUTH. Counts failures by account and by address, in Redis, with a local spare.

Five failures for one account, or twenty from one address, within 15 minutes close that way until the window has passed. An account
that does not exist is counted like one that does, so the answer tells nothing. Doors where a guess is short (six digits) also have a
limit per day: thirty failures leave a guesser a chance below one in ten thousand.
"""

import time

import redis
from flask import current_app
from limits.storage import MemoryStorage

from webapp.core import secrets
from webapp.core.errors import TooMany

WINDOW_S, DAY_S = 900, 86_400
PER_ACCOUNT, PER_ADDRESS, PER_DAY = 5, 20, 30
#: doors that take six digits
SHORT_GUESSES = frozenset({"second_factor", "confirm"})
_local = MemoryStorage()


def _keys(door: str, account: str, ip: str | None) -> list[tuple[str, int, int]]:
    """(key, most failures, seconds until they are forgotten); the first is the account's, which a success clears."""
    name = secrets.keyed_hash("throttle", account.strip().lower())[:24]
    keys = [(f"guess:{door}:account:{name}", PER_ACCOUNT, WINDOW_S), (f"guess:{door}:ip:{ip}", PER_ADDRESS, WINDOW_S)]
    if door in SHORT_GUESSES:
        keys.append((f"guess:{door}:day:{name}", PER_DAY, DAY_S))
    return keys


def wait_s(door: str, account: str, ip: str | None) -> int:
    """Seconds until this way is open again; 0 when it is."""
    for key, most, _ in _keys(door, account, ip):
        count, left = _read(key)
        if count >= most:
            return max(1, left)
    return 0


def take(door: str, account: str, ip: str | None) -> None:
    """Count an attempt before it is judged, so that many at the same moment get no more guesses than one after the other.

    raises TooMany. What turns out right is given back with `give_back`.
    """
    for key, most, window in _keys(door, account, ip):
        if _count(key, window) > most:
            _refuse(max(1, _read(key)[1]))


def give_back(door: str, account: str, ip: str | None) -> None:
    """The attempt that was taken was right: the account's count is cleared, the others lose this one."""
    first, *others = _keys(door, account, ip)
    _clear(first[0])
    for key, _, window in others:
        _count(key, window, by=-1)


def note_failure(door: str, account: str, ip: str | None) -> None:
    for key, _, window in _keys(door, account, ip):
        _count(key, window)


def note_success(door: str, account: str, ip: str | None) -> None:
    """A success clears the account's count; the address keeps its own, or one known password would reset a guesser."""
    _clear(_keys(door, account, ip)[0][0])


def _refuse(wait: int) -> None:
    number, unit = (-(-wait // 3600), "hour") if wait > 7200 else (-(-wait // 60), "minute")
    raise TooMany(f"Too many failed attempts. Try again in {number} {unit}{'s' if number > 1 else ''}.", retry_after_s=wait)


def _count(key: str, window: int, by: int = 1) -> int:
    client: redis.Redis = current_app.extensions["redis"]
    try:
        count = int(client.incrby(key, by))
        if count == by:
            client.expire(key, window)
        return count
    except redis.RedisError:
        return _local.incr(key, window, by)


def _clear(key: str) -> None:
    client: redis.Redis = current_app.extensions["redis"]
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
