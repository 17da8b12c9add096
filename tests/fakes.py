"""Stand-ins for the outside: `Outside(http=FakeHttp(), dns=FakeDns(), smtp=None, clock=FakeClock())`, and a real listener on loopback."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from webapp.core.dns import Dns, DnsAnswer, Status
from webapp.core.http_guard import Headers, HttpAnswer, HttpClient
from webapp.core.net_guard import Unresolved
from webapp.core.outside import Clock, Outside, SmtpConnector


@dataclass(frozen=True)
class Sent:
    """One request that a `FakeHttp` was asked to make; header names in lower case."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    timeout_s: float
    verify_tls: bool


class FakeHttp(HttpClient):
    """Records requests and answers from a script; 200 with an empty body when the script is over.

    An entry of the script is a status, a whole `HttpAnswer`, or a function of the request.
    """

    def __init__(self, *script: "int | HttpAnswer | Callable[[Sent], HttpAnswer]") -> None:
        super().__init__()
        self.script = list(script)
        self.sent: list[Sent] = []

    def send(
        self, method: str, url: str, headers: Headers = (), body: bytes = b"", timeout_s: float = 15.0,
        verify_tls: bool = True, cap_bytes: int = 65_536,
    ) -> HttpAnswer:
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        request = Sent(method, url, {name.lower(): value for name, value in pairs}, body, timeout_s, verify_tls)
        self.sent.append(request)
        step = self.script.pop(0) if self.script else 200
        if isinstance(step, int):
            return HttpAnswer(status=step, address="192.0.2.1")
        answer = step if isinstance(step, HttpAnswer) else step(request)
        return replace(answer, body=answer.body[:cap_bytes], truncated=answer.truncated or len(answer.body) > cap_bytes)


class FakeDns(Dns):
    """Answers from a table: `FakeDns({("example.com", "MX"): ["10 mx.example.com"], ("slow.test", "A"): "timeout"})`.

    A name without any entry is nxdomain, a name with entries of other types only is no_answer. Aliases are followed.
    """

    def __init__(self, records: Mapping[tuple[str, str], "list[str] | Status"] | None = None) -> None:
        super().__init__("192.0.2.53:53")
        self.records: dict[tuple[str, str], list[str] | Status] = dict(records or {})
        self.asked: list[tuple[str, str]] = []

    def lookup(self, name: str, type: str, *, timeout_s: float | None = None) -> DnsAnswer:
        name = name.lower().rstrip(".")
        self.asked.append((name, type))
        found = self.records.get((name, type))
        for _ in range(8):
            alias = self.records.get((name, "CNAME"))
            if found is not None or type == "CNAME" or not isinstance(alias, list):
                break
            name = alias[0].lower().rstrip(".")
            found = self.records.get((name, type))
        if isinstance(found, list):
            return DnsAnswer(list(found), "ok", "fake", 300)
        if found is not None:
            return DnsAnswer(status=found, resolver="fake")
        return DnsAnswer(status="no_answer" if any(known == name for known, _ in self.records) else "nxdomain", resolver="fake")

    def addresses(self, host: str, timeout_s: float) -> list[str]:
        found = [value for type in ("A", "AAAA") for value in self.lookup(host, type).values]
        if not found:
            raise Unresolved(f"{host} could not be resolved.")
        return found


class FakeClock(Clock):
    """Time stands still until somebody sleeps or says `pass_time`; `slept` keeps every wait."""

    def __init__(self, now: datetime | None = None) -> None:
        self.moment = now or datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_time(max(0.0, seconds))

    def pass_time(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def fake_outside(
    http: HttpClient | None = None, dns: Dns | None = None, smtp: SmtpConnector | None = None, clock: Clock | None = None
) -> Outside:
    """An outside of fakes; each part may be given."""
    return Outside(http=http or FakeHttp(), dns=dns or FakeDns(), smtp=smtp, clock=clock or FakeClock())


class Listener:
    """A real TCP server on loopback; `talk` gets each connection in a thread of its own, TLS done if a context is given.

    `port` is where it listens, `accepted` how many came, `stopping` is set at the end so that endless talkers stop.
    """

    def __init__(
        self, talk: Callable[[socket.socket, "Listener"], object], context: ssl.SSLContext | None = None, *,
        host: str = "127.0.0.1", port: int = 0,
    ) -> None:
        self.talk = talk
        self.context = context
        self.accepted = 0
        self.heard: list[bytes] = []
        self.stopping = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._server = socket.create_server((host, port), family=family)
        self.port: int = self._server.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self.stopping.is_set():
                connection, _ = self._server.accept()
                self.accepted += 1
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        try:
            with contextlib.suppress(OSError):
                if self.context is not None:
                    connection = self.context.wrap_socket(connection, server_side=True)
                self.talk(connection, self)
        finally:
            connection.close()

    def close(self) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(5)


@contextlib.contextmanager
def listening(talk: Callable[[socket.socket, Listener], object], context: ssl.SSLContext | None = None) -> Iterator[Listener]:
    """A `Listener` for the length of a block."""
    listener = Listener(talk, context)
    try:
        yield listener
    finally:
        listener.close()


def read_request(connection: socket.socket) -> bytes:
    """One HTTP request with Content-Length, whole."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += _more(connection)
    return head + b"\r\n\r\n" + body


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65_536)
    if not data:
        raise ConnectionError("the client hung up")
    return data


def answering(raw: bytes) -> Callable[[socket.socket, Listener], None]:
    """A talk that hears one request into `Listener.heard` and answers with these bytes."""

    def talk(connection: socket.socket, listener: Listener) -> None:
        listener.heard.append(read_request(connection))
        connection.sendall(raw)

    return talk
