"""The supervisor on its own, with small parts: restart, ordered stop, nobody left behind."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes.living import Living, all_gone, is_alive, python
from tests.servers import wait_until
from webapp.processes.child import PAUSES_S, Child
from webapp.processes.console import Console
from webapp.settings import ROOT

pytestmark = pytest.mark.faults
PROGRAM = Path(__file__).with_name("small_house.py")
Start = Callable[[str], Living]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Living] = []

    def begin(mode: str) -> Living:
        started.append(Living([*python(PROGRAM), mode]))
        return started[-1]

    yield begin
    for one in started:
        one.clean_up()


def pid_in(line: str) -> int:
    found = re.search(r"lives as (\d+)", line)
    assert found is not None
    return int(found[1])


def test_a_part_that_is_killed_starts_again_at_once(start: Start) -> None:
    house = start("stages")
    first = pid_in(house.says("web lives as"))
    os.kill(first, signal.SIGKILL)
    house.says("web was killed by SIGKILL; it starts again at once.")
    assert pid_in(house.says("web lives as", timeout_s=2, times=2)) != first


def test_a_part_that_breaks_shows_why_and_waits_longer_each_time(start: Start) -> None:
    house = start("breaks")
    house.says("broken    | ValueError: on purpose")
    house.says("broken    | half a line")
    house.says("broken ended with code 1; it starts again at once.")
    house.says("it starts again in 1 s.")
    house.says("it starts again in 2 s.")
    said = [house.text.index(f"it starts again {when}.") for when in ("at once", "in 1 s", "in 2 s")]
    assert said == sorted(said)


def test_pauses_grow_to_half_a_minute_and_a_healthy_minute_forgets_them() -> None:
    child = Child("part", lambda: None)
    child.started_at = 1000.0
    assert [child.died(1001.0) for _ in range(8)] == [*PAUSES_S, 30.0]
    assert child.start_at == 1031.0
    assert child.died(1000.0 + 61) == 0.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_goes_through_the_stages_in_order(start: Start, number: int) -> None:
    house = start("stages")
    for name in ("web", "worker", "scheduler", "redis"):
        house.says(f"{name} lives as")
    house.kill(number)
    assert house.ends() == 0
    wait_until(lambda: "the house is empty" in house.text, "the last line")
    ends = [line.split()[-2] for line in house.lines if line.endswith(" ends")]
    assert ends == ["web", "worker", "scheduler", "redis"]


def test_a_second_signal_ends_what_does_not_listen(start: Start) -> None:
    house = start("stubborn")
    deaf = pid_in(house.says("deaf lives as"))
    house.kill(signal.SIGTERM)
    house.says("Once more ends everything at once")
    assert is_alive(deaf)
    house.kill(signal.SIGTERM)
    assert house.ends(3) == 0
    assert not is_alive(deaf)


def test_a_grandchild_goes_with_its_part(start: Start) -> None:
    house = start("grandchild")
    grandchild = pid_in(house.says("grandchild lives as"))
    os.kill(pid_in(house.says("parent lives as")), signal.SIGKILL)
    wait_until(all_gone([grandchild]), "the end of the grandchild", 2)
    assert not is_alive(grandchild)


@pytest.mark.parametrize("mode", ["stages", "stubborn", "grandchild"])
def test_nobody_outlives_a_killed_parent(start: Start, mode: str) -> None:
    house = start(mode)
    house.says("lives as", times=4 if mode == "stages" else 2 if mode == "grandchild" else 1)
    family = house.family()
    assert family
    house.kill(signal.SIGKILL)
    begun = time.monotonic()
    wait_until(all_gone(family), "the end of the family", 2)
    assert time.monotonic() - begun < 2


def test_a_stopped_child_does_not_outlive_a_killed_parent(start: Start) -> None:
    house = start("stages")
    hung = pid_in(house.says("web lives as"))
    os.kill(hung, signal.SIGSTOP)
    house.kill(signal.SIGKILL)
    wait_until(all_gone([hung]), "the end of a process that cannot run", 2)
    assert not is_alive(hung)


def test_the_watchdog_alone_ends_the_family_too() -> None:
    """What macOS has: no signal from the kernel."""
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from webapp.processes import guard; guard._libc = None\n"
        "from tests.processes import small_house; small_house.main('grandchild')\n"
    )
    house = Living([*python("-c"), program])
    try:
        house.says("parent lives as")
        family = house.family()
        assert len(family) == 3, "watchdog, part and grandchild"
        house.kill(signal.SIGKILL)
        wait_until(all_gone(family), "the end of the family", 2)
    finally:
        house.clean_up()


def test_a_killed_watchdog_is_replaced(start: Start) -> None:
    house = start("grandchild")
    grandchild, parent = pid_in(house.says("grandchild lives as")), pid_in(house.says("parent lives as"))
    (watchdog,) = set(house.family()) - {grandchild, parent}
    os.kill(watchdog, signal.SIGKILL)
    wait_until(lambda: len(set(house.family()) - {watchdog}) == 3, "a new watchdog", 5)
    assert {grandchild, parent} < set(house.family())
    house.kill(signal.SIGKILL)
    wait_until(all_gone([grandchild, parent]), "the end of the family", 2)


def test_an_answer_comes_back_whole_and_a_death_is_an_empty_answer(start: Start) -> None:
    house = start("asks")
    assert house.says("answer:").endswith("answer: 300000 b''")
    assert house.ends() == 0


def test_lines_carry_the_name_of_their_part_and_colour_only_for_people(tmp_path: Path) -> None:
    file = tmp_path / "out"
    with open(file, "wb") as out:
        Console(out.fileno()).say("web", "Grüße")
    assert file.read_text(encoding="utf-8") == "web       | Grüße\n"
