"""Lanes that rest between two batches, so that the next mail to the same destination finds its connection open."""

import threading
import time
from collections.abc import Callable

from webapp.mail.smtp_lanes import Lanes


class LanePool:
    """Lanes by destination. Whoever takes some has them alone until they come back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resting: dict[str, list[tuple[float, Lanes]]] = {}

    def take(self, destination: str, make: Callable[[], Lanes]) -> Lanes:
        """Resting lanes, the ones used last; or new ones."""
        with self._lock:
            resting = self._resting.get(destination)
            if resting:
                return resting.pop()[1]
        return make()

    def give(self, destination: str, lanes: Lanes) -> None:
        """They rest from now on; lanes without a living connection are forgotten."""
        lanes.pipes = [pipe for pipe in lanes.pipes if not pipe.broken]
        if lanes.pipes:
            with self._lock:
                self._resting.setdefault(destination, []).append((time.monotonic(), lanes))

    def close(self, idle_s: float) -> None:
        """Say good-bye on those that have rested so long."""
        since = time.monotonic() - idle_s
        old: list[Lanes] = []
        with self._lock:
            for destination, resting in list(self._resting.items()):
                old += [lanes for at, lanes in resting if at <= since]
                self._resting[destination] = [(at, lanes) for at, lanes in resting if at > since]
                if not self._resting[destination]:
                    del self._resting[destination]
        for lanes in old:
            lanes.close()
