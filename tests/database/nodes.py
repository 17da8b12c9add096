"""Databases and processes of a test's own: what is cut, filled or killed here is nobody else's."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import webapp
from tests.servers import PostgresServer
from webapp.core.db import db
from webapp.settings import ROOT, Settings, load_settings
from webapp.tokens import calls

KEY = "a key for tests that is long enough to be one"


def settings_of(home: Path, url: str = "", redis_url: str = "redis://127.0.0.1:1/0", **more: str) -> Settings:
    found = {"MAILROOM_INSTANCE": str(home), "REDIS_URL": redis_url, "MAILROOM_RATE_LIMITS": "off", "MAILROOM_SECRET_KEY": KEY,
             "MAILROOM_HOSTNAME": "mail.acme.test", "MAILROOM_PUBLIC_URL": "http://localhost", **more}  # fmt: skip
    if url:
        found["DATABASE_URL"] = url
    return load_settings(found, dotenv=None)


@contextmanager
def node(settings: Settings) -> Iterator[Any]:
    """An application beside the session's; nothing of it is left behind."""
    app = webapp.create_app(settings)
    app.config[calls.SETTING] = 0
    try:
        with app.app_context():
            yield app
            db.session.rollback()
            db.session.remove()
    finally:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def fresh_url(kind: str, home: Path, server: "PostgresServer | None", name: str) -> str:
    """An empty database of this kind."""
    home.mkdir(parents=True, exist_ok=True)
    return server.create(name) if server is not None and kind == "postgres" else f"sqlite:///{home}/mailroom.sqlite"


def forked(work: Callable[[], None]) -> int:
    """Run it in a fork that shares no connection; returns the exit code, negative for a signal."""
    return ended(fork(work))


def fork(work: Callable[[], None]) -> int:
    """The id of the child; `ended` waits for it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


def ended(pid: int) -> int:
    status = os.waitpid(pid, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def command(*arguments: str, home: Path, **environ: str) -> "subprocess.Popen[str]":
    """`app.py` as a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAILROOM_", "DATABASE_URL", "REDIS_URL"))}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "app.py"), *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**kept, "MAILROOM_INSTANCE": str(home), "MAILROOM_SECRET_KEY": KEY, "REDIS_URL": "redis://127.0.0.1:1/0", **environ},
    )  # fmt: skip
