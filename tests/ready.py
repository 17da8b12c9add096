"""Programs of ours in processes of their own that begin with everything imported, which otherwise takes most of the time of a short life.

    ready.start("app.py", "up", environ={…}, out=path)      what subprocess.Popen gives, as far as tests use it
    ready.run("app.py", "token", "create", environ={…})     what subprocess.run gives

One server per test process imports the product once and forks each program from that; a program has its arguments, its environment, its
session and its files as it would have from a shell, and ends as it would. `is_on` is set by conftest.py: the benchmarks, and tests of how
the program itself begins (tests/processes/test_up.py), start Python anew.
"""

import importlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: program -> module whose `main` it runs
PROGRAMS = {"app.py": "webapp.cli"} | {name: name for name in ("tests.web_process", "tests.core.live_server", "tests.faults.shifted")}
#: programs whose `main` is told when they began
TIMED = ("app.py", "tests.faults.shifted")
is_on = False
_forge = multiprocessing.get_context("forkserver")


class Ready:
    """A program that was started, spoken to as a subprocess.Popen."""

    def __init__(self, program: str, arguments: tuple[str, ...], environ: Mapping[str, str], files: tuple[str, str, str]) -> None:
        _begin()
        self._process = _forge.Process(target=_live, args=(program, arguments, dict(environ), files))
        self._process.start()
        self.args = [program, *arguments]
        self.pid: int = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """raises subprocess.TimeoutExpired"""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


Started = subprocess.Popen[Any] | Ready


def start(program: str, *arguments: str, environ: Mapping[str, str], out: Path | str = os.devnull) -> Started:
    """Begin a program that writes both of its outputs to the end of a file. It leads a session of its own.

    program  one of PROGRAMS, or any file or module of Python, which then begins from nothing
    """
    if is_on and program in PROGRAMS:
        return Ready(program, arguments, environ, (os.devnull, str(out), ""))
    with open(out, "ab") as log:
        return subprocess.Popen(
            _command(program, arguments), cwd=ROOT, env=dict(environ), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def run(
    program: str, *arguments: str, environ: Mapping[str, str], stdin: str = "", timeout_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Wait for a program to end; its two outputs and its code. raises subprocess.TimeoutExpired and ends it when it takes longer"""
    if not is_on:
        return subprocess.run(
            _command(program, arguments), cwd=ROOT, env=dict(environ), capture_output=True, text=True, input=stdin, timeout=timeout_s
        )
    with tempfile.TemporaryDirectory(prefix="mr-run-") as folder:
        given, out, error = (Path(folder) / name for name in ("in", "out", "error"))
        given.write_text(stdin)
        process = Ready(program, arguments, environ, (str(given), str(out), str(error)))
        try:
            code = process.wait(timeout_s)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, code, out.read_text(), error.read_text())


def _command(program: str, arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, *([str(ROOT / program)] if program.endswith(".py") else ["-m", program]), *arguments]


def _begin() -> None:
    """The server finds our modules wherever the tests were started, and imports them while nobody waits."""
    _forge.set_forkserver_preload(["tests.ready_imports"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), before]))
    try:
        multiprocessing.forkserver.ensure_running()  # type: ignore[attr-defined]
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _live(program: str, arguments: tuple[str, ...], environ: dict[str, str], files: tuple[str, str, str]) -> None:
    """The life of the forked process."""
    begun = time.monotonic()
    os.setsid()
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environ)
    given, out, error = files
    writing = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for path, flags, number in ((given, os.O_RDONLY, 0), (out, writing, 1), (error or out, writing, 2)):
        descriptor = os.open(path, flags, 0o644)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.argv = [str(ROOT / program), *arguments]
    module: Any = importlib.import_module(PROGRAMS[program])
    module.main(*([begun] if program in TIMED else []))
