"""How many people a process takes at once follows how fast they go."""

from typing import Any

import pytest

from webapp.campaigns import portions
from webapp.campaigns.portions import FEWEST, TARGET_S, Portions


@pytest.fixture
def clock(monkeypatch: Any) -> Any:
    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    found = Clock()
    monkeypatch.setattr(portions, "time", found)
    return found


def test_where_it_goes_fast_portions_stay_as_large_as_they_may_be(clock: Any) -> None:
    taken = Portions(1000)
    assert [taken.next(1) for _ in range(3)] == [1000, 1000, 1000]


def test_where_it_is_slow_a_portion_is_what_goes_in_the_time_that_it_should_take(clock: Any) -> None:
    taken = Portions(1000)
    assert taken.next(1) == 1000
    clock.now += 10 * TARGET_S
    assert taken.next(1) == 100
    clock.now += TARGET_S
    assert taken.next(1) == 100, "just as long as it should be"
    clock.now += 1000
    assert taken.next(1) == FEWEST
    for expected in (100, 200, 400, 800, 1000):
        clock.now += 0.1
        assert taken.next(1) == expected, "and grows again where it goes fast"


def test_campaigns_have_portions_of_their_own_and_only_so_many_are_remembered(clock: Any) -> None:
    taken = Portions(1000, kept=2)
    taken.next(1)
    clock.now += 15
    assert (taken.next(2), taken.next(1)) == (1000, 100)
    taken.next(3)
    taken.next(4)
    clock.now += 15
    assert taken.next(1) == 1000, "it was forgotten"
