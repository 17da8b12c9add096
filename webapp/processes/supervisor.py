"""Starts parts, shows what they write, starts them again when they die, stops them in order.

One thread and one loop. It holds no database or Redis connection, since its children are forked from it.
"""

import os
import selectors
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

from webapp.processes import guard
from webapp.processes.child import Child
from webapp.processes.console import Console

#: seconds after the stop began at which the next stage is told to stop although an earlier one still runs
STAGES_S = (0.0, 7.0, 9.0, 13.0)
#: seconds after which what still runs is killed
STOP_S = 15.0
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Supervisor:
    """The parent of all parts.

    after_death  called in the supervisor with each part that died unasked, for a helper to clear up behind it
    keep         file descriptors (lock, listening socket) that children do not inherit
    """

    def __init__(self, console: Console, keep: Iterable[int] = ()) -> None:
        self.console = console
        self.children: list[Child] = []
        self.keep = list(keep)
        self.after_death: Callable[[Child, int], None] = lambda child, pid: None
        self.on_stop: Callable[[], None] = lambda: None
        self.stopping_since: float | None = None
        self._stop_signals: list[int] = []
        self._selector = selectors.DefaultSelector()
        self._watchdog = guard.Watchdog()
        self._wake = os.pipe()
        for fd in self._wake:
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        self._selector.register(self._wake[0], selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in _STOP_SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP, and means it
                signal.signal(number, self._asked_to_stop)

    def start(self, child: Child) -> Child:
        """Fork a part and watch it from now on."""
        if child not in self.children:
            self.children.append(child)
        others = [other.output for other in self.children if other.output is not None]
        child.start([*others, *self._wake, self._selector.fileno(), self._watchdog.writing, *self.keep])
        assert child.pid is not None
        self._watchdog.has(child.pid)
        self._selector.register(child.output, selectors.EVENT_READ, child)  # type: ignore[arg-type]  # an int after start
        return child

    def ask(self, name: str, question: Callable[[], bytes]) -> bytes:
        """Run a function in a short child and wait for its answer, so that what it opens is closed when it ends.

        returns what the function returned; b"" when it died or a stop came first
        """
        answer = bytearray()
        reading, writing = os.pipe()

        def tell() -> None:
            os.close(reading)
            with os.fdopen(writing, "wb") as out:
                out.write(question())

        child = self.start(Child(name, tell, once=True))
        os.close(writing)
        os.set_blocking(reading, False)
        while child in self.children and self.stopping_since is None:
            self.turn(0.5)
            answer += _read_all(reading)
        answer += _read_all(reading)
        os.close(reading)
        return bytes(answer) if self.stopping_since is None else b""

    def run(self) -> None:
        """Watch until a signal asks to stop and everything has ended."""
        while self.stopping_since is None:
            self.turn(30.0)
        while any(child.pid is not None for child in self.children):
            self.turn(0.2)

    def close(self) -> None:
        """After `run`: nothing of the supervisor itself stays behind."""
        signal.set_wakeup_fd(-1)
        self._watchdog.dismiss()
        self._selector.close()
        for fd in self._wake:
            os.close(fd)

    def stop(self) -> None:
        """Begin to stop, as SIGTERM does."""
        if self.stopping_since is None:
            self.stopping_since = time.monotonic()
            self.on_stop()

    def turn(self, patience_s: float) -> None:
        """Wait for something to happen, at most `patience_s` seconds, and deal with it."""
        due = [child.start_at for child in self.children if child.start_at is not None]
        if self.stopping_since is None and due:
            patience_s = min(patience_s, max(0.0, min(due) - time.monotonic()))
        for key, _ in self._selector.select(patience_s):
            if key.data is None:
                _read_all(self._wake[0])
            else:
                self._show(key.data)
        if self._stop_signals and self.stopping_since is None:
            name = signal.Signals(self._stop_signals[0]).name
            self.console.say("up", f"Stopping ({name}). Once more ends everything at once.")
            self.stop()
        self._bury()
        if self.stopping_since is None:
            self._start_due()
        else:
            self._stop_stages(time.monotonic() - self.stopping_since)

    def _asked_to_stop(self, number: int, _: Any) -> None:
        self._stop_signals.append(number)

    def _show(self, child: Child) -> bool:
        """Show what it wrote; False at the end of its output, which is closed then."""
        lines = child.read_lines()
        for line in lines or ():
            self.console.say(child.name, line)
        if lines is None:
            self._close(child)
        return lines is not None

    def _close(self, child: Child) -> None:
        if child.output is not None:
            self._selector.unregister(child.output)
            os.close(child.output)
            child.output = None

    def _show_last(self, child: Child) -> None:
        """What a dead part left in its pipe, which holds 64 KB; a stray grandchild may keep the other end open."""
        for _ in range(4):
            if child.output is None or not self._show(child):
                return
        self._close(child)

    def _bury(self) -> None:
        """Take note of every child that died."""
        if self._watchdog.is_gone():
            self._renew_watchdog()
        for child in list(self.children):
            if child.pid is None:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid == 0:
                continue
            guard.kill_group(pid)
            self._watchdog.has_no_more(pid)
            self._show_last(child)
            pause = child.died(time.monotonic())
            if child.once or self.stopping_since is not None:
                child.start_at = None
            else:
                when = f"in {pause:.0f} s" if pause else "at once"
                self.console.say("up", f"{child.name} {_how(status)}; it starts again {when}.")
                self.after_death(child, pid)
            if child.once:
                self.children.remove(child)

    def _renew_watchdog(self) -> None:
        os.close(self._watchdog.writing)
        self._watchdog = guard.Watchdog()
        for child in self.children:
            if child.pid is not None:
                self._watchdog.has(child.pid)

    def _start_due(self) -> None:
        for child in self.children:
            if child.start_at is not None and child.start_at <= time.monotonic():
                self.start(child)

    def _stop_stages(self, passed_s: float) -> None:
        """Ask the parts of each stage to stop once the stages before are gone or had their time."""
        if passed_s > STOP_S or len(self._stop_signals) > 1:
            for child in self.children:
                if child.pid is not None:
                    guard.kill_group(child.pid)
            return
        for stage, latest_s in enumerate(STAGES_S):
            running = [child for child in self.children if child.pid is not None and child.stage < stage]
            if running and passed_s < latest_s:
                return
            for child in self.children:
                if child.stage == stage and child.pid is not None and not child.stop_asked:
                    child.stop_asked = True
                    child.signal(signal.SIGTERM)


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return "ended" if code == 0 else f"ended with code {code}"


def _read_all(fd: int) -> bytes:
    """Everything that a non-blocking pipe holds now."""
    found = bytearray()
    while True:
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return bytes(found)
        if not data:
            return bytes(found)
        found += data
