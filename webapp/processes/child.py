"""One part under the supervisor: forked, its output read through a pipe, started again with growing pauses when it dies."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from webapp.processes import guard

#: seconds to wait before the first, second, third … start after a death; the last one stays
PAUSES_S = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
#: a part that lived this long has no history
HEALTHY_S = 60.0
#: a line that is longer is cut in pieces
MAX_LINE_BYTES = 16384
#: what the supervisor handles itself and a part does not inherit
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass
class Child:
    """One part.

    run    what it does; forked, it may block until SIGTERM; its return or SystemExit ends the process
    stage  parts of stage 0 are stopped first, then 1, 2 …
    once   ends by itself and is not started again
    """

    name: str
    run: Callable[[], None]
    stage: int = 0
    once: bool = False
    pid: int | None = None
    output: int | None = None
    started_at: float = 0.0
    deaths: int = 0
    #: monotonic time of the next start; None while it runs or is not wanted
    start_at: float | None = None
    stop_asked: bool = False
    _rest: bytes = field(default=b"", repr=False)

    def start(self, close: list[int]) -> None:
        """Fork.

        close  file descriptors of the supervisor that the child must not hold
        """
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        # A signal that comes while the child still has our handlers would be lost on it.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pid = os.fork()
        if pid == 0:
            _become(self, parent, [*close, reading], writing)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(writing)
        os.set_blocking(reading, False)
        self.pid, self.output = pid, reading
        self.started_at, self.start_at, self.stop_asked = time.monotonic(), None, False

    def died(self, now: float) -> float:
        """Note the death; returns the pause in seconds until the next start."""
        if now - self.started_at >= HEALTHY_S:
            self.deaths = 0
        pause = PAUSES_S[min(self.deaths, len(PAUSES_S) - 1)]
        self.deaths += 1
        self.pid, self.start_at = None, now + pause
        return pause

    def signal(self, number: int) -> None:
        """Send a signal to the part alone; gone already is fine."""
        if self.pid is not None:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def read_lines(self) -> list[str] | None:
        """What it wrote since the last call, in whole lines; None at the end of its output."""
        assert self.output is not None
        try:
            data = os.read(self.output, 65536)
        except BlockingIOError:
            return []
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._rest and (not data or len(self._rest) > MAX_LINE_BYTES):
            lines.append(self._rest)
            self._rest = b""
        if not data and not lines:
            return None
        return [line.decode("utf-8", "replace").rstrip("\r") for line in lines]


def _become(child: Child, parent: int, close: list[int], writing: int) -> None:
    """The forked side; does not return."""
    code = 1
    try:
        # A group of its own: Ctrl-C in the terminal reaches the supervisor only, which then stops the parts in order.
        os.setpgid(0, 0)
        guard.tie_to_parent(parent)
        guard.name_process(f"mailroom-{child.name}")
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        for fd in close:
            os.close(fd)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        for fd in (nothing, writing):
            os.close(fd)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a TextIOWrapper here
        child.run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  # whatever it was, it ends this process and is shown
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
