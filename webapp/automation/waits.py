"""When a failed action goes again (DESIGN section 5). Pure."""

import random

#: seconds after the first, second … attempt; later ones keep the last wait
WAITS_S = (10, 60, 300, 1800, 7200, 21600, 57600)
SPREAD = 0.1
#: an endpoint may ask for at most this much with Retry-After
LONGEST_ASKED_S = 3600
DEFAULT_ATTEMPTS = 8
MOST_ATTEMPTS = 20


def wait_s(attempts: int, asked_s: float | None = None, rng: random.Random | None = None) -> float:
    """Seconds to wait after so many attempts: the schedule, up to 10 % longer by chance; at least what was asked for."""
    base = WAITS_S[min(max(attempts, 1), len(WAITS_S)) - 1]
    wait = base * (1 + SPREAD * (rng or random).random())
    return max(wait, min(asked_s or 0.0, LONGEST_ASKED_S))
