"""When a mail that could not be handed over goes again: growing waits, five days in all. Pure."""

import random
from datetime import datetime, timedelta

#: seconds after the first, second … attempt; from then on every four hours
WAITS_S = (60, 300, 900, 1800, 3600, 7200, 14400)
GIVE_UP = timedelta(days=5)
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
