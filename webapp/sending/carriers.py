"""The carriers of this process: kept for a while between two drains, so that the next mail finds its connection open.

Only a worker keeps them (`keep`); a drain anywhere else closes its connections at its end.
"""

import threading
import time

from webapp.sending.fleet import fleet
from webapp.sending.transports import Carrier, Transport

#: a connection that nobody used for so long is closed
IDLE_S = 8.0


class _Kept:
    """What the process keeps; a thread of its own closes what nobody uses."""

    def __init__(self) -> None:
        self.is_on = False
        self._lock = threading.Lock()
        self._carriers: dict[tuple[int, str], tuple[Transport, Carrier]] = {}
        self._sweeper: threading.Thread | None = None

    def carrier(self, transport: Transport, stream: str) -> Carrier | None:
        """One for each transport and stream, so that bulk mail's connections are never in the way of others."""
        if transport.open is None:
            return None
        with self._lock:
            key = (id(transport), stream)
            if key not in self._carriers:
                self._carriers[key] = (transport, transport.open())
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep, daemon=True, name="idle connections")
                self._sweeper.start()
            return self._carriers[key][1]

    def _sweep(self) -> None:
        while True:
            time.sleep(IDLE_S / 4)
            with self._lock:
                carriers = [carrier for _, carrier in self._carriers.values()]
            for carrier in carriers:
                carrier.close(IDLE_S)


_kept = _Kept()


#: a worker looks for what dead holders left once in so long, beside what the sweep finds
LOOK_S = 0.5
_looked_at = 0.0


def is_time_to_look() -> bool:
    """Whether a drain should look for dead holders: always, but for a worker that has just looked."""
    global _looked_at
    if _kept.is_on and time.monotonic() - _looked_at < LOOK_S:
        return False
    _looked_at = time.monotonic()
    return True


def keep() -> None:
    """From now on this process keeps connections between drains."""
    _kept.is_on = True


class Crew:
    """The carriers that one drain uses: one for each stream, opened when it is first needed."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._carriers: dict[str, Carrier] = {}

    def carrier(self, stream: str) -> Carrier | None:
        """None where nothing leaves."""
        if self.transport.open is None:
            return None
        if stream not in self._carriers:
            kept = _kept.carrier(self.transport, stream) if _kept.is_on else None
            self._carriers[stream] = kept or self.transport.open()
        return self._carriers[stream]

    def busy(self) -> list[str]:
        """Destinations that further claims leave out, because a batch of this process is still there."""
        return fleet.busy() if any(carrier.one_by_one for carrier in self._carriers.values()) else []

    def close(self) -> None:
        """The end of a drain: say good-bye, unless the process keeps its connections."""
        if not _kept.is_on:
            for carrier in self._carriers.values():
                carrier.close()
