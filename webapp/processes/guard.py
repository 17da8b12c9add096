"""A child never outlives its parent, however the parent dies.

Two means, since each has a gap: on Linux the kernel kills the child when its parent dies (even one that hangs or is stopped);
everywhere a thread waits on a pipe whose other end only the supervisor holds, and ends the child's process group when it closes.
"""

import ctypes
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_NAME = 15
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

#: does the kernel see to it that children die, also after exec?
KERNEL_GUARDS = _libc is not None


def tie_to_parent(parent: int) -> None:
    """Have the kernel kill this process when `parent` (who must have forked it from its main thread) dies. Linux; else nothing."""
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died between fork and prctl; then nobody would ever send the signal.
    if os.getppid() != parent:
        os._exit(1)


def watch(life: int) -> None:
    """Kill this process group, in a thread, when the other end of the pipe `life` closes; for a group that is ours alone."""
    threading.Thread(target=_kill_group_at_end, args=(life,), name="guard", daemon=True).start()


def _kill_group_at_end(life: int) -> None:
    while os.read(life, 1):
        continue
    os.killpg(os.getpgrp(), signal.SIGKILL)


def name_process(name: str) -> None:
    """The name that `ps -o comm` and `top` show, 15 characters at most. Linux; else nothing."""
    if _libc is not None:
        _libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)
