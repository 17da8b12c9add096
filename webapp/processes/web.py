"""The web server: gunicorn with threads, driven from code, over an application that is loaded already."""

import logging
import os
import select
import signal
import socket
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers import gthread

from webapp.core import live
from webapp.processes import guard
from webapp.settings import Settings

#: seconds that requests have to end after SIGTERM
GRACE_S = 10
#: milliseconds that a thread waits for the next request of the same connection before it hands it back
LINGER_MS = 2


class HouseLog(Logger):
    """gunicorn's warnings and errors go the way of all our log lines; it writes no access log."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)


class Worker(gthread.ThreadWorker):
    """Request threads, and live streams that have left them with their sockets (`core.live`).

    A program that asks in a row sends its next request within a moment. Its thread waits for that long while nobody else waits for a
    thread: that saves the way over the main thread, its poller and a queue.
    """

    def handle(self, conn: gthread.TConn) -> Any:
        while True:
            goes_on = super().handle(conn)
            if goes_on is not True or conn.is_http2 or not self._next_is_here(conn):
                return goes_on

    def _next_is_here(self, conn: gthread.TConn) -> bool:
        """Whether the next request of this connection has begun to come in; waits a moment for it if nobody needs the thread."""
        waiting = self.tpool._work_queue
        if conn.sock.fileno() == -1 or not self.alive or waiting.qsize() or conn.parser.unreader.buf.getbuffer().nbytes:
            return False
        poller = select.poll()
        poller.register(conn.sock, select.POLLIN)
        return bool(poller.poll(LINGER_MS)) and self.alive and not waiting.qsize()

    def finish_request(self, conn: gthread.TConn, fs: Any) -> None:
        if conn.sock.fileno() == -1:  # taken along: nothing to close, and no connection of ours any more
            self.nr_conns -= 1
            return
        super().finish_request(conn, fs)


class WebServer(BaseApplication):
    """gunicorn for one application, on a socket that is bound already."""

    def __init__(self, app: Flask, settings: Settings, listener: socket.socket) -> None:
        self._app = app
        self._settings = settings
        self._listener = listener
        super().__init__()

    def load_config(self) -> None:
        """Our settings in gunicorn's names."""
        settings = self._settings
        values = {
            "bind": f"fd://{self._listener.detach()}",
            "worker_class": Worker,
            "workers": settings.web_workers,
            "threads": settings.web_threads,
            "graceful_timeout": GRACE_S,
            "timeout": 60,
            "keepalive": 5,
            "limit_request_line": 8190,
            "limit_request_fields": 100,
            "limit_request_field_size": 8190,
            "forwarded_allow_ips": ",".join(str(network) for network in settings.trusted_proxies),
            "forwarder_headers": "",
            "control_socket_disable": True,
            "logger_class": HouseLog,
            "post_fork": _after_fork,
            "post_worker_init": _when_ready,
            # A folder in memory: the workers touch a file there once a second to show that they live.
            "worker_tmp_dir": "/dev/shm" if os.path.isdir("/dev/shm") else None,  # noqa: S108  # gunicorn makes an unnamed file there
        }
        for name, value in values.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._app


def serve(app: Flask, settings: Settings, listener: socket.socket) -> None:
    """Answer requests until SIGTERM; what is under way then has `GRACE_S` seconds."""
    WebServer(app, settings, listener).run()


def _after_fork(arbiter: Arbiter, worker: gthread.ThreadWorker) -> None:
    guard.tie_to_parent(arbiter.pid)
    guard.name_process("mailroom-web")


def _when_ready(worker: gthread.ThreadWorker) -> None:
    """Open live streams keep no thread, and end at SIGTERM."""
    live.let_go()
    leave: Any = signal.getsignal(signal.SIGTERM)

    def close(number: int, frame: Any) -> None:
        live.closing.set()
        leave(number, frame)

    signal.signal(signal.SIGTERM, close)
