"""Our own web server in a process of its own, on the database and Redis of a test, and streams of its pages over raw sockets.

    with LiveServer(app, threads=4) as server:
        stream = server.stream(alice.page)      its bytes so far: stream.text; whether the server closed it: stream.ended
"""

import http.client
import os
import socket
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests import ready
from tests.servers import wait_until
from webapp import create_app
from webapp.processes.web import serve
from webapp.settings import load_settings


class Stream:
    """One open page: a socket that is read as long as the server writes."""

    def __init__(self, port: int, head: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.sendall(head.encode())
        self.text, self.ended = "", False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while data := self.socket.recv(65536):
                self.text += data.decode()
        except OSError:
            pass
        self.ended = True

    @property
    def status(self) -> int:
        return int(self.text.split(" ", 2)[1]) if self.text.count(" ") > 1 else 0

    def close(self) -> None:
        self.socket.close()


class LiveServer:
    def __init__(self, app: Any, workers: int = 1, threads: int = 4) -> None:
        settings = app.config["SETTINGS"]
        self.app, self.port_file = app, Path(tempfile.mkdtemp(prefix="mr-live-")) / "port"
        self.environment = {
            **os.environ, "MAILROOM_INSTANCE": str(settings.instance), "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url, "MAILROOM_SECRET_KEY": ",".join(settings.secret_keys), "MAILROOM_HOSTNAME": settings.hostname,
            "MAILROOM_RATE_LIMITS": "off", "MAILROOM_WEB_WORKERS": str(workers), "MAILROOM_WEB_THREADS": str(threads),
            "WEB_PORT_FILE": str(self.port_file),
        }  # fmt: skip
        self.streams: list[Stream] = []

    def __enter__(self) -> Self:
        self.process = ready.start("tests.core.live_server", environ=self.environment)
        try:
            wait_until(lambda: self.port_file.exists() and self.port_file.read_text().endswith("\n"), "the web server", 30)
        except AssertionError:
            self.process.kill()
            raise
        self.port = int(self.port_file.read_text())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for stream in self.streams:
            stream.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            if self.process.poll() is None:
                self.process.kill()

    def cookie(self, page: Any) -> str:
        found = page.client.get_cookie(self.app.config["SESSION_COOKIE_NAME"])
        return f"{found.key}={found.value}"

    def stream(self, page: Any, query: str = "", **headers: str) -> Stream:
        lines = {"Host": f"127.0.0.1:{self.port}", "Cookie": self.cookie(page), "Accept": "text/event-stream", **headers}
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
        self.streams.append(Stream(self.port, f"GET /events{query} HTTP/1.1\r\n{head}\r\n"))
        return self.streams[-1]

    def get(self, page: Any, path: str) -> tuple[int, float]:
        """(status, seconds)"""
        started = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path, headers={"Cookie": self.cookie(page)})
            answer = connection.getresponse()
            answer.read()
            return answer.status, time.perf_counter() - started
        finally:
            connection.close()


def main() -> None:
    settings = load_settings()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as gunicorn does, but for connections before it runs too
    listener.listen(512)
    Path(os.environ["WEB_PORT_FILE"]).write_text(f"{listener.getsockname()[1]}\n")
    serve(create_app(settings), settings, listener)


if __name__ == "__main__":
    main()
