"""Rows of campaigns in the machinery of sending: what it asks the campaigns, which stand above and hand this in.

    mails       rows ─> a function that makes the mail of one of them, signed; nothing of a copy is stored but its row
    keep_back   due rows, locked ─> those that do not go: their campaign is paused or cancelled, or their person is gone
    moved       (row, state before, state after) of rows that change, for the numbers of their campaigns; `moved_many` takes them added up
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webapp.mail.smtp_pipe import Mail
from webapp.sending.settle import Waiting

Make = Callable[[Waiting], Mail]
Move = tuple[Any, str | None, str | None]


@dataclass
class Door:
    """The questions; each is part of the caller's transaction."""

    mails: Callable[[Sequence[Waiting]], Make]
    keep_back: Callable[[Sequence[Waiting], datetime], set[int]]
    moved: Callable[[Iterable[Move]], None]
    moved_many: Callable[[Mapping[Any, int], str | None, str | None], None]


def _nobody(_rows: Sequence[Waiting]) -> Make:
    raise LookupError("no campaigns are known to this process")


_door = Door(_nobody, lambda rows, now: set(), lambda moves: None, lambda sums, before, after: None)


def register(door: Door) -> None:
    """Hand in the answers."""
    _door.mails, _door.keep_back, _door.moved, _door.moved_many = door.mails, door.keep_back, door.moved, door.moved_many


def mails(rows: Sequence[Waiting]) -> Make:
    return _door.mails(rows)


def keep_back(rows: Sequence[Waiting], now: datetime) -> set[int]:
    """The ids of those among these due rows that do not go now."""
    ours = [row for row in rows if row.campaign_id is not None]
    return _door.keep_back(ours, now) if ours else set()


def moved(moves: Iterable[Move]) -> None:
    ours = [move for move in moves if move[0].campaign_id is not None]
    if ours:
        _door.moved(ours)


def moved_many(sums: Mapping[Any, int], before: str | None, after: str | None) -> None:
    """(workspace, campaign, domain) -> how many rows changed in this way."""
    if sums:
        _door.moved_many(sums, before, after)
