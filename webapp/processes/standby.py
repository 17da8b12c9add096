"""The watchdog's program: reads groups from standard input ("+123", "-123"), and kills those that are left when it ends.

Run on its own (`python -I -S standby.py`), not imported: a process that does nothing needs no application in its memory.
"""

import os
import signal
import sys


def stand_by() -> None:
    """Learn the groups; when the supervisor's end of the pipe closes, end them."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    with os.fdopen(0, encoding="ascii") as lines:
        for line in lines:
            if line[0] == "+":
                groups.add(int(line[1:]))
            else:
                groups.discard(int(line[1:]))
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            # macOS answers EPERM for a group of which only zombies are left.
            continue


if __name__ == "__main__":
    stand_by()
    sys.exit(0)
