"""The seeded schedule: every deed once in a random order, then more of them by chance, with random pauses, until its time is over."""

import random
import threading
import time
from collections.abc import Iterator

from tests.faults.deeds import Stage, available

#: how much more likely than the others a deed is in the long run
WEIGHT = {"kill up": 1, "fill disk": 1, "jump clock": 1, "restart postgres": 1, "kill scheduler": 1, "kill web": 2, "kill smtp": 3}


def order(names: list[str], chance: random.Random) -> Iterator[str]:
    """Without end."""
    names = sorted(names)
    chance.shuffle(names)
    yield from names
    while True:
        yield chance.choices(names, [WEIGHT.get(name, 2) for name in names])[0]


class Schedule(threading.Thread):
    """Does one deed after the other for `lasts_s` seconds; each kind is done at least once, whatever that takes.

    Mail that is not handed in by then gets through in peace: parts that die again and again are started ever later.
    """

    def __init__(self, stage: Stage, pause_s: float, lasts_s: float, only: tuple[str, ...] | None = None) -> None:
        super().__init__(daemon=True, name="schedule")
        self.stage, self.pause_s, self.lasts_s, self.only = stage, pause_s, lasts_s, only
        self.over = threading.Event()
        self.problem = ""
        self.log: list[tuple[float, str]] = []

    def run(self) -> None:
        deeds = {name: deed for name, deed in available(self.stage).items() if self.only is None or name in self.only}
        began = time.monotonic()
        try:
            for number, name in enumerate(order(list(deeds), self.stage.chance)):
                late = self.over.is_set() or time.monotonic() - began > self.lasts_s
                if late and number >= len(deeds):
                    return
                self.over.wait(self.stage.chance.uniform(0.3, 1.0) * self.pause_s)
                said = ""
                for _ in range(40):  # a part that was killed a moment ago comes back first
                    said = deeds[name](self.stage)
                    if said:
                        break
                    time.sleep(0.25)
                self.log.append((time.monotonic() - began, said or f"could not: {name}"))
                if said:
                    self.stage.done[said] += 1
        except Exception as error:
            self.problem = f"{type(error).__name__}: {error}"
            raise
