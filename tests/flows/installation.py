"""A real installation for whole stories: `app.py up` as a process of its own, and a receiver for its webhooks."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from tests import ready

ROOT = Path(__file__).resolve().parents[2]
OWNER, PASSWORD = "ann@acme.test", "correct horse battery staple"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = 20) -> Any:
    """Ask again until the answer is true; fails with the name of what was waited for."""
    ends = time.monotonic() + timeout_s
    last: Any = None
    while time.monotonic() < ends:
        try:
            last = condition()
            if last:
                return last
        except (httpx.HTTPError, OSError) as error:
            last = error
        time.sleep(0.05)
    raise AssertionError(f"waited {timeout_s} s in vain for {what}; last: {last!r}")


class Receiver:
    """An HTTP server that keeps what it is sent and answers with the next of the given statuses (the last one goes on)."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses) or [200]
        self.got: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.got.append({"at": time.time(), "path": self.path, "headers": dict(self.headers), "raw": raw})
                status = receiver.statuses.pop(0) if len(receiver.statuses) > 1 else receiver.statuses[0]
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def json(self, index: int) -> Any:
        return json.loads(self.got[index]["raw"])

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Installation:
    """One installation in a folder of its own, on free ports."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.http, self.smtp, self.submission = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http}"
        self.log = folder / "log.txt"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MAILROOM_", "DATABASE_URL", "REDIS_URL"))},
            "MAILROOM_INSTANCE": str(folder / "instance"),
            "MAILROOM_HTTP_PORT": str(self.http),
            "MAILROOM_SMTP_PORT": str(self.smtp),
            "MAILROOM_SUBMISSION_PORT": str(self.submission),
            "MAILROOM_HOSTNAME": "mail.acme.test",
            "MAILROOM_ALLOW_PRIVATE_TARGETS": "127.0.0.1",
            "MAILROOM_RATE_LIMITS": "off",
            **settings,
        }
        self.program = "app.py"
        self.process: ready.Started | None = None

    def start(self, timeout_s: float = 30) -> float:
        """Run `app.py up` and wait until it is ready; returns how many seconds that took."""
        started = time.monotonic()
        self.begin("up")
        try:
            wait_for(self._ready, "the installation to be ready", timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text()[-4000:]}") from None
        return time.monotonic() - started

    def begin(self, *command: str) -> None:
        """Run a command that goes on; what it says goes to the log. Nothing is waited for."""
        self.process = ready.start(self.program, *command, environ=self.environment, out=self.log)

    def _ready(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"app.py ended with {self.process.returncode}:\n{self.text()[-4000:]}")
        return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200

    def stop(self, timeout_s: float = 20) -> int:
        """SIGTERM, as an operator's system does; returns the exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout_s)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process = None
        return code

    def run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """One command of the command line on this installation."""
        return ready.run("app.py", *command, environ=self.environment, stdin=stdin)

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def setup_url(self) -> str:
        """The one-time link that the first start printed."""
        found = re.findall(r"http://\S+/setup\?key=\S+", self.text())
        assert found, self.text()
        return str(found[-1])

    def client(self, token: str) -> httpx.Client:
        return httpx.Client(base_url=f"{self.url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=30)
