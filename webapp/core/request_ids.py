"""Ids of requests: names to find a request again, cut from random bytes that are fetched for many of them at once."""

import os
import secrets
from collections import deque

#: ids made at once, and the hexadecimal digits of each
AT_ONCE, DIGITS = 64, 24
_ready: deque[str] = deque()


def new() -> str:
    """`req_` and 96 random bits; no two of an installation are the same."""
    try:
        return _ready.popleft()
    except IndexError:
        digits = secrets.token_hex(AT_ONCE * DIGITS // 2)
        made = [f"req_{digits[start : start + DIGITS]}" for start in range(0, len(digits), DIGITS)]
        _ready.extend(made[1:])
        return made[0]


# What was made before a fork would else be handed out by both processes.
os.register_at_fork(after_in_child=_ready.clear)
