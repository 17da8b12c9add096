"""What was done with a mail after its 250, step by step, each with its time: `messages.journal`.

    stored ─> read ─> origin ─> repeat ─> return ─> leave ─> planned ─> filed    one transaction of intake
                                                                └─> judged   a transaction of automation (then runs have their own log)

The column holds `[[step, unix ms, text], …]` in the order of the steps; a step that a mail does not need is not there. What was recorded
never runs again; what was not is done from the first step that is missing, because all of them stand in one transaction.

`messages.at_step` is written only for a mail over which a worker died before: such a mail is worked on alone, and each step is noted
before it begins, so that the third death can say which one it was.
"""

import time
from datetime import UTC, datetime
from typing import Any, NamedTuple

#: step -> (title in the timeline, what a worker was doing when it died there)
STEPS: dict[str, tuple[str, str]] = {
    "read": ("Read", "reading the mail"),
    "origin": ("Origin checked", "checking where the mail comes from"),
    "repeat": ("Known already", "looking whether the mail came before"),
    "return": ("Taken as a report", "looking whether the mail is a report about another one"),
    "leave": ("Taken as unsubscribing", "looking whether the mail unsubscribes somebody"),
    "planned": ("Routes planned", "recording what was read"),
    "filed": ("Filed", "putting the mail into its folder"),
    "judged": ("Routes evaluated", "evaluating the rules of its routes"),
    "parked": ("Parked", "giving the mail up"),
    "again": ("Sent through again", "starting again"),
}


class Entry(NamedTuple):
    """One step that was done."""

    step: str
    at: datetime
    text: str

    @property
    def title(self) -> str:
        return STEPS[self.step][0] if self.step in STEPS else self.step


def entry(step: str, text: str = "", at: float | None = None) -> list[Any]:
    """One step as the column keeps it. at: seconds of the epoch, None for now"""
    return [step, round((time.time() if at is None else at) * 1000), text]


def read(kept: list[Any] | None) -> list[Entry]:
    """The steps of a mail in their order; none for mail that was processed before this was recorded."""
    return [Entry(step, datetime.fromtimestamp(ms / 1000, UTC), text) for step, ms, text in kept or []]


def doing(step: str | None) -> str:
    """What a worker was at, as the end of a sentence."""
    return STEPS[step][1] if step in STEPS else "working on it"
