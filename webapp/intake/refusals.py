"""Refused attempts in the audit log, without letting an attacker fill it.

The first refusal of a kind from an address is written at once; what follows within a minute is counted and written as one row.
More than MOST_KEYS kinds and addresses within a minute share one row.
"""

import threading
import time
from dataclasses import dataclass

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core.actor import Actor

WINDOW_S = 60.0
MOST_KEYS = 200


@dataclass
class Counted:
    """One kind of refusal from one address."""

    actor: Actor
    action: str
    target: Target
    reason: str
    since: float
    more: int = 0


class Refusals:
    """Shared by the threads of the SMTP door; every method needs an application context."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str, str], Counted] = {}
        self._lock = threading.Lock()

    def note(self, actor: Actor, action: str, target: Target, reason: str) -> None:
        """Write it, or count it when the same came from there a moment ago."""
        key = (actor.workspace_id, action, actor.ip or "")
        now = time.monotonic()
        with self._lock:
            if key not in self._kept and len(self._kept) >= MOST_KEYS:
                key = (0, "smtp.refused", "many")
                actor, action, target = Actor("system", 0, name="SMTP"), "smtp.refused", Target("smtp", None, "many addresses")
            known = self._kept.get(key)
            if known is not None and now - known.since < WINDOW_S:
                known.more += 1
                return
            self._kept[key] = Counted(actor, action, target, reason, now)
        if known is not None:
            _write_count(known)
        audit.record_refused(actor, action, target, reason)

    def flush(self, everything: bool = False) -> None:
        """Write the counts whose minute is over."""
        now = time.monotonic()
        with self._lock:
            over = [key for key, known in self._kept.items() if everything or now - known.since >= WINDOW_S]
            done = [self._kept.pop(key) for key in over]
        for known in done:
            _write_count(known)


def _write_count(known: Counted) -> None:
    if known.more:
        audit.record_refused(known.actor, known.action, known.target, f"{known.reason} ({known.more} more within a minute)")
