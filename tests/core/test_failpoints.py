"""Fail points: silent by default, and doing what a test asked for."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from webapp.core import failpoints


@pytest.fixture(autouse=True)
def nothing_planted() -> Iterator[None]:
    yield
    failpoints.plant("")


def test_a_place_does_nothing_by_itself() -> None:
    failpoints.plant("")
    assert failpoints._points is None
    failpoints.hit("anywhere")


def test_a_planted_failure_comes_at_the_asked_time_only() -> None:
    failpoints.plant("here=raise@2")
    failpoints.hit("here")
    failpoints.hit("there")
    with pytest.raises(failpoints.Planted, match="here"):
        failpoints.hit("here")
    failpoints.hit("here")


def test_a_star_stands_for_all_names_that_begin_so() -> None:
    failpoints.plant("accept.*=full")
    failpoints.hit("other.place")
    with pytest.raises(OSError, match="No space left"):
        failpoints.hit("accept.before_commit")


def test_a_wish_that_is_none_stops_the_process_that_reads_it() -> None:
    with pytest.raises(ValueError, match="explode"):
        failpoints.read("here=explode")


def test_a_process_that_is_told_so_kills_itself() -> None:
    code = "from webapp.core import failpoints; failpoints.hit('a'); failpoints.hit('b'); print('alive')"
    ended = subprocess.run([sys.executable, "-c", code], env={**os.environ, failpoints.VARIABLE: "b=kill"}, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL and "alive" not in ended.stdout
