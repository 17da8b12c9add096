"""What this process has under way: which destinations are busy, and batches that outlive the drain that began them."""

import threading
from collections import Counter
from collections.abc import Iterable

#: destinations that hang keep a thread each; with so many of them no further batch begins
MOST_BATCHES = 8


class Fleet:
    """The batches under way in this process. One for all threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy: Counter[str] = Counter()
        self._batches = 0

    def begin(self, destinations: Iterable[str]) -> None:
        """A batch sets out to these destinations."""
        with self._changed:
            self._batches += 1
            self._busy.update(destinations)

    def back_from(self, destination: str) -> None:
        """Nobody of that batch is at this destination any more."""
        with self._changed:
            self._busy[destination] -= 1
            if self._busy[destination] <= 0:
                del self._busy[destination]
            self._changed.notify_all()

    def end(self) -> None:
        """A batch is recorded whole."""
        with self._changed:
            self._batches -= 1
            self._changed.notify_all()

    def busy(self) -> list[str]:
        """Where batches of this process are now."""
        with self._changed:
            return sorted(self._busy)

    @property
    def is_full(self) -> bool:
        return self._batches >= MOST_BATCHES

    def has_room(self, seconds: float) -> bool:
        """Whether another batch may begin, within so long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._batches < MOST_BATCHES, seconds)

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is under way any more; False when time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: self._batches == 0, seconds)


fleet = Fleet()
