"""A part never outlives the supervisor, however that dies.

Two means, since each has a gap. On Linux the kernel kills a child when its parent dies, even one that hangs or is stopped, but
not what the child itself started. Everywhere a watchdog, a process that does nothing else, reads a pipe whose other end only
the supervisor holds, and kills the process groups of all parts when it ends.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_NAME = 15
STANDBY = Path(__file__).with_name("standby.py")
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def tie_to_parent(parent: int) -> None:
    """Have the kernel kill this process when `parent` (who must have forked it from its main thread) dies. Linux; else nothing."""
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died between fork and prctl; then nobody would ever send the signal.
    if os.getppid() != parent:
        os._exit(1)


def name_process(name: str) -> None:
    """The name that `ps -o comm` and `top` show, 15 characters at most. Linux; else nothing."""
    if _libc is not None:
        _libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def kill_group(leader: int) -> None:
    """Kill a part and whatever it started; each part leads a process group of its own."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # macOS answers EPERM for a group of which only zombies are left.
        return


class Watchdog:
    """The process that outlives the supervisor for a moment."""

    def __init__(self) -> None:
        reading, self.writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _become_standby(reading)
            finally:
                os._exit(0)
        os.close(reading)

    def has(self, leader: int) -> None:
        """From now on it kills this group as well."""
        self._tell(f"+{leader}\n")

    def has_no_more(self, leader: int) -> None:
        """That group is gone; its number may come to mean another."""
        self._tell(f"-{leader}\n")

    def is_gone(self) -> bool:
        """Has it died? It is buried then."""
        return os.waitpid(self.pid, os.WNOHANG)[0] != 0

    def dismiss(self) -> None:
        """Let it end, and wait for that."""
        os.close(self.writing)
        os.waitpid(self.pid, 0)

    def _tell(self, text: str) -> None:
        try:
            os.write(self.writing, text.encode())
        except BrokenPipeError:
            return  # it is dead; the supervisor notices and starts another


def _become_standby(reading: int) -> None:
    """Turn the forked process into `standby.py`; every other descriptor of the supervisor closes with that."""
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(reading, 0)
    for fd in (1, 2):
        os.dup2(nothing, fd)
    os.execv(sys.executable, [sys.executable, "-I", "-S", str(STANDBY)])  # noqa: S606  # our own interpreter and file
