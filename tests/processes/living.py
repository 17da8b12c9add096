"""Real processes for tests: started in a temporary folder on free ports, watched through their output and their children."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from tests import ready
from tests.servers import wait_until
from webapp.settings import ROOT


class Living:
    """One started program; its output is collected line by line."""

    def __init__(self, command: list[str], **environ: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAILROOM_", "DATABASE_URL", "REDIS_URL"))}
        self.lines: list[str] = []
        self.process = self._begin(command, {**kept, **environ})

    def _begin(self, command: list[str], environ: dict[str, str]) -> ready.Started:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
            preexec_fn=_hear_signals,
        )  # fmt: skip
        threading.Thread(target=self._collect, args=(process.stdout,), daemon=True).start()
        return process

    def _collect(self, output: Iterable[str]) -> None:
        for line in output:
            self.lines.append(line.rstrip("\n"))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def says(self, words: str, timeout_s: float = 20, times: int = 1) -> str:
        """Wait for the nth line that contains the words; returns it."""

        def found() -> str | None:
            hits = [line for line in self.lines if words in line]
            if len(hits) < times and self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode} without saying {words!r}:\n{self.text}")
            return hits[times - 1] if len(hits) >= times else None

        line: str = wait_until(found, f"{words!r}; it said:\n{self.text}", timeout_s)
        return line

    def kill(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)

    def ends(self, timeout_s: float = 20) -> int:
        return self.process.wait(timeout_s)

    def family(self) -> list[int]:
        """The ids of all processes below it, the watchdog included."""
        return descendants(self.process.pid)

    def clean_up(self) -> None:
        """For fixtures: whatever happened, nothing stays."""
        for pid in [*self.family(), self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(10)


class Ready(Living):
    """The same for a program of tests/ready.py, which begins with everything imported: [program, argument, …]."""

    def _begin(self, command: list[str], environ: dict[str, str]) -> ready.Started:
        pipe = Path(tempfile.mkdtemp(prefix="mr-says-")) / "pipe"
        os.mkfifo(pipe)
        threading.Thread(target=self._read, args=(pipe,), daemon=True).start()
        return ready.start(*command, environ=environ, out=pipe)

    def _read(self, pipe: Path) -> None:
        with pipe.open() as output:
            self._collect(output)
        shutil.rmtree(pipe.parent)


def _hear_signals() -> None:
    """Tests started with nohup or in the background ignore signals, which programs they start would inherit."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def python(program: str | Path) -> list[str]:
    return [sys.executable, str(program)]


def processes() -> dict[int, tuple[int, str]]:
    """Every process: id -> (id of its parent, state as `ps` writes it). A bare Linux has no `ps`, macOS has no /proc."""
    found = {}
    if Path("/proc/self/stat").exists():
        for file in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, parent = file.read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue  # it ended meanwhile
            found[int(file.parent.name)] = (int(parent), state)
        return found
    listing = subprocess.run(["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        pid, above, state = line.split()
        found[int(pid)] = (int(above), state)
    return found


def descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for child, (parent, _) in processes().items():
        children.setdefault(parent, []).append(child)
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def is_alive(pid: int) -> bool:
    """A process that is gone or only waits to be buried is not alive."""
    return pid in (found := processes()) and not found[pid][1].startswith("Z")


def all_gone(pids: list[int]) -> Callable[[], bool]:
    return lambda: not any(is_alive(pid) for pid in pids)


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on now; held together so that they differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    found = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return found


def can_be_bound(port: int) -> bool:
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
