"""A supervisor with parts that do nothing but what the tests of the supervisor look at. Run as a program: small_house.py MODE"""

import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
# The supervisor needs nothing of the application, whose imports would take most of the time of these tests.
sys.modules.setdefault("webapp", types.ModuleType("webapp")).__path__ = [str(ROOT / "webapp")]

from webapp.processes.child import Child  # noqa: E402  # after the stand-in
from webapp.processes.console import Console  # noqa: E402  # after the stand-in
from webapp.processes.supervisor import Supervisor  # noqa: E402  # after the stand-in


def stays(name: str, stubborn: bool = False) -> Callable[[], None]:
    """A part that says its process id and stays until SIGTERM; a stubborn one does not listen."""

    def run() -> None:
        ended: list[int] = []
        signal.signal(signal.SIGTERM, lambda *_: None if stubborn else ended.append(1))
        print(f"{name} lives as {os.getpid()}")
        while not ended:
            time.sleep(0.02)
        print(f"{name} ends")

    return run


def with_a_grandchild() -> None:
    print(f"grandchild lives as {subprocess.Popen(['sleep', '600']).pid}")
    stays("parent")()


def breaks() -> None:
    print("half a line", end="")
    raise ValueError("on purpose")


def main(mode: str) -> None:
    """One of the houses below."""
    supervisor = Supervisor(Console())
    if mode == "stages":
        for stage, name in ((2, "scheduler"), (0, "web"), (1, "worker"), (3, "redis")):
            supervisor.start(Child(name, stays(name), stage=stage))
    elif mode == "stubborn":
        supervisor.start(Child("deaf", stays("deaf", stubborn=True)))
    elif mode == "grandchild":
        supervisor.start(Child("family", with_a_grandchild))
    elif mode == "breaks":
        supervisor.start(Child("broken", breaks))
    elif mode == "asks":
        print(f"answer: {len(supervisor.ask('big', lambda: b'x' * 300_000))} {supervisor.ask('dies', lambda: os._exit(3))!r}", flush=True)
        return
    supervisor.run()
    supervisor.close()
    print("the house is empty", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
