"""Several pipes to one destination, used in turn: while one waits for replies the next one is written."""

from collections.abc import Callable
from typing import Protocol

from webapp.mail.smtp_out import ConnectFailed
from webapp.mail.smtp_pipe import Ear, Letter, Pipe

#: letters that wait for each open pipe before another one is opened
LETTERS_PER_PIPE = 8


class Supply(Protocol):
    """Letters that wait for one destination."""

    def __len__(self) -> int: ...

    def popleft(self) -> Letter:
        """The next one. raises IndexError when none is left after all"""

    def appendleft(self, letter: Letter) -> None:
        """It was not sent: the next one again."""


class Lanes:
    """The open pipes to one destination.

    open             makes a pipe that tells this ear; raises ConnectFailed
    most             pipes at once
    per_connection   letters after which a pipe is closed and another one opened; some servers end the session after so many
    """

    def __init__(self, open: Callable[[Ear], Pipe], *, most: int = 4, per_connection: int = 10_000) -> None:
        self.open, self.most, self.per_connection = open, most, per_connection
        self.pipes: list[Pipe] = []

    def carry(self, letters: Supply, ear: Ear, stop: Callable[[], bool]) -> None:
        """Hand letters over until none is left or `stop` says so; what was begun is always brought to its answer.

        letters that were not tried are left in `letters`
        raises  ConnectFailed when there is no connection to be had; those before it are answered
        """

        def take() -> Letter | None:
            try:
                return letters.popleft() if letters and not stop() else None
            except IndexError:
                return None

        for pipe in self.pipes:
            pipe.ear = ear
        while True:
            under_way = False
            if letters and not stop():
                self._grow(len(letters), ear)
            for pipe in self.pipes:
                spent = pipe.taken >= self.per_connection
                under_way |= pipe.turn(_nothing if spent else take, letters.appendleft)
            if any(pipe.broken or pipe.taken >= self.per_connection for pipe in self.pipes):
                self._sort_out()
            if not under_way and (not letters or stop()):
                return

    def close(self) -> None:
        """Say good-bye on all of them; never raises."""
        for pipe in self.pipes:
            pipe.close()
        self.pipes.clear()

    def _grow(self, waiting: int, ear: Ear) -> None:
        """Open the first pipe, or one more where many letters wait and the others have shown that letters are taken there."""
        number = len(self.pipes)
        if number and (number >= self.most or waiting <= LETTERS_PER_PIPE * number or not all(pipe.carried for pipe in self.pipes)):
            return
        try:
            self.pipes.append(self.open(ear))
        except ConnectFailed:
            if not self.pipes:
                raise
            self.most = len(self.pipes)  # it wants no more of us at once

    def _sort_out(self) -> None:
        for pipe in self.pipes:
            if not pipe.broken and pipe.taken >= self.per_connection and pipe.at_rest:
                pipe.close()
        self.pipes = [pipe for pipe in self.pipes if not pipe.broken]


def _nothing() -> None:
    return None
