"""When a domain is looked at again: often while somebody is at work on its DNS, rarely once all is right.

    not right   every 5 minutes for the first hour, every hour for the first week, then once a day
    all right   once a day

Each wait is up to a tenth longer or shorter by chance, so that domains added together do not come back together.
"""

import random
from datetime import datetime, timedelta

CLOSELY, HOURLY, DAILY = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)
FIRST_HOUR, FIRST_WEEK = timedelta(hours=1), timedelta(days=7)
JITTER = 0.1


def wait_after(calm: bool, watched_since: datetime | None, now: datetime) -> timedelta:
    """How long to wait after a look.

    calm           whether all is right and nothing is waited for
    watched_since  when somebody last touched the domain, or it went wrong
    """
    age = now - watched_since if watched_since is not None else FIRST_WEEK
    if calm or age >= FIRST_WEEK:
        return DAILY
    return CLOSELY if age < FIRST_HOUR else HOURLY


def jittered(wait: timedelta, chance: float | None = None) -> timedelta:
    """A wait with its part of chance. chance: 0 to 1, by default a random one"""
    drawn = random.random() if chance is None else chance  # noqa: S311  # not for secrets
    return wait * (1 - JITTER + 2 * JITTER * drawn)
