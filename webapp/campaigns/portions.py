"""How many people a process takes of a campaign at once: about as many as went in the time that a batch should take.

Where the other side is slow a thousand people would be claimed, a few of them sent before the drain ends, and the rest put back: work for
nothing, and more that stands still at a pause. So portions become smaller there, and larger again where it goes fast.
"""

import time

#: the time that one portion should take, in seconds; and the fewest people of one
TARGET_S, FEWEST = 1.5, 50


class Portions:
    """What this process learnt of its campaigns; for a handful of them, the others begin anew."""

    def __init__(self, most: int, kept: int = 64) -> None:
        self.most, self.kept = most, kept
        self._last: dict[int, tuple[float, int]] = {}

    def next(self, campaign_id: int) -> int:
        """How many to take now; asked once for each portion."""
        now = time.monotonic()
        since, number = self._last.pop(campaign_id, (now, self.most))
        took_s = now - since
        number = min(self.most, number * 2) if took_s < TARGET_S else max(FEWEST, int(number * TARGET_S / took_s))
        while len(self._last) >= self.kept:
            self._last.pop(next(iter(self._last)))
        self._last[campaign_id] = (now, number)
        return number

    def forget(self) -> None:
        """Begin anew with all of them, for tests."""
        self._last.clear()
