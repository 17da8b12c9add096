"""When a mail that could not be handed over goes again: growing waits, five days in all; a campaign's copy three times. Pure."""

import random
from datetime import datetime, timedelta

#: seconds after the first, second … attempt; from then on every four hours
WAITS_S = (60, 300, 900, 1800, 3600, 7200, 14400)
GIVE_UP = timedelta(days=5)
#: a campaign's copy is tried again so often and no more, in seconds
CAMPAIGN_WAITS_S = (60, 300, 1800)
#: an uncertain transactional mail goes once more after this
UNCERTAIN_S = 60
#: its sender hears of a mail that waits so long (RFC 5321 section 4.5.4.1 leaves the time to us; hours are usual)
DELAY_NOTICE = timedelta(hours=4)
SPREAD = 0.1
#: the longest wait that is ever planned
MOST_WAIT = timedelta(seconds=WAITS_S[-1] * (1 + SPREAD))


def wait_s(attempts: int, rng: random.Random | None = None) -> float:
    """How long to wait after so many attempts, up to 10 % shorter or longer by chance, so that a crowd does not come back at once."""
    base = WAITS_S[min(max(attempts, 1), len(WAITS_S)) - 1]
    return base * (1 + SPREAD * (2 * (rng or random).random() - 1))


def next_attempt(since: datetime, attempts: int, now: datetime) -> datetime | None:
    """When to try again; None when five days are over (RFC 5321 section 4.5.4.1 asks for at least four to five).

    since  when the mail was accepted, or was let go again after it had been held or had ended
    """
    ends = since + GIVE_UP
    if now >= ends:
        return None
    return min(now + timedelta(seconds=wait_s(attempts)), ends)


def next_of_campaign(attempts: int, now: datetime) -> datetime | None:
    """The same for a copy of a campaign after so many attempts: news that came days late would help nobody."""
    if attempts > len(CAMPAIGN_WAITS_S):
        return None
    return now + timedelta(seconds=CAMPAIGN_WAITS_S[attempts - 1] * (1 + SPREAD * random.random()))  # noqa: S311
