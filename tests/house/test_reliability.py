"""docs/reliability.md tells the truth about which case is held by which test."""

from tests.house import reliability


def test_the_table_of_cases_is_what_the_tests_say() -> None:
    assert reliability.written() == reliability.table(), "write it anew: python -m tests.house.reliability"


def test_what_is_said_to_be_left_is_left() -> None:
    held = reliability.tests_by_case()
    assert sorted(set(held) & set(reliability.LEFT)) == []
    assert set(held) <= set(reliability.CASES)
