"""Waits grow, spread by a tenth, and end after five days."""

import random
from datetime import UTC, datetime, timedelta

from webapp.sending.waits import GIVE_UP, WAITS_S, next_attempt, wait_s

NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


def test_waits_grow_and_stay_within_a_tenth_of_the_plan() -> None:
    rng = random.Random(7)
    for attempts in range(1, 40):
        planned = WAITS_S[min(attempts, len(WAITS_S)) - 1]
        waits = [wait_s(attempts, rng) for _ in range(50)]
        assert all(planned * 0.9 <= wait <= planned * 1.1 for wait in waits)
        assert len(set(waits)) > 40, "waits are not spread"


def test_the_whole_schedule_covers_five_days_and_then_gives_up() -> None:
    moment, attempts = NOW, 1
    while (later := next_attempt(NOW, attempts, moment)) is not None:
        assert later > moment
        moment, attempts = later, attempts + 1
    assert moment == NOW + GIVE_UP, "the last attempt is made when the five days end"
    assert 30 < attempts < 50


def test_after_five_days_there_is_no_next_attempt() -> None:
    assert next_attempt(NOW, 3, NOW + GIVE_UP) is None
    assert next_attempt(NOW, 3, NOW + GIVE_UP - timedelta(seconds=1)) == NOW + GIVE_UP
