"""A real listener on loopback in a thread of its own, an Intake that remembers, and a raw client: what the tests of SMTP in need."""

import asyncio
import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from webapp.mail import status
from webapp.mail.smtp_in import Arrival, Listener, Login, Rules, SessionInfo


class Remembering:
    """An Intake that takes mail for here.test and from whoever logs in as ann with the password secret."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.asked: list[tuple[str, str]] = []
        self.logins: list[tuple[str, str]] = []
        self.before_storing: Callable[[], Any] | None = None

    async def login(self, username: str, password: str, session: SessionInfo) -> Login | None:
        self.logins.append((username, password))
        return Login(username) if (username, password) == ("ann", "secret") else None

    async def check_sender(self, session: SessionInfo, address: str) -> str | None:
        self.asked.append(("sender", address))
        return status.BAD_SENDER if address.startswith("refused") else None

    async def check_recipient(self, session: SessionInfo, address: str) -> str | None:
        self.asked.append(("recipient", address))
        if session.login is None and not address.lower().endswith("@here.test"):
            return status.RELAY_DENIED
        return status.MAILBOX_UNKNOWN if address.startswith("nobody") else None

    async def receive(self, arrival: Arrival) -> str:
        if self.before_storing is not None:
            await self.before_storing()
        self.arrivals.append(arrival)
        return status.stored_as(len(self.arrivals))

    def bodies(self) -> list[bytes]:
        """What arrived, without our Received line."""
        return [arrival.raw.split(b"+0000\r\n", 1)[1] for arrival in self.arrivals]


class Guesses:
    """A throttle that lets `free` failures pass for each account and each address."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.failures: dict[str, int] = {}

    async def wait_s(self, account: str, ip: str) -> int:
        return 60 if max(self.failures.get(account, 0), self.failures.get(ip, 0)) >= self.free else 0

    async def failed(self, account: str, ip: str) -> None:
        for key in (account, ip):
            self.failures[key] = self.failures.get(key, 0) + 1

    async def succeeded(self, account: str, ip: str) -> None:
        self.failures.pop(account, None)


class Door:
    """The running listener; a context manager."""

    def __init__(self, **rules: Any) -> None:
        self.intake = Remembering()
        self.rules = Rules(**{"kind": "mx", "hostname": "mail.here.test", "max_bytes": 100_000, **rules})
        self.loop = asyncio.new_event_loop()
        self.listener = Listener(self.intake, self.rules)
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.port = self.run(self.listener.start("127.0.0.1", 0))

    def run(self, work: Any, timeout_s: float = 20) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self.listener.stop(0.2))
        self.run(asyncio.sleep(0.01))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()

    def raw(self, **options: Any) -> "Raw":
        return Raw(self.port, **options)


class Raw:
    """A client that says exactly what it is told. `hello` greets and throws the answers away."""

    def __init__(self, port: int, *, hello: bool = True, context: ssl.SSLContext | None = None, source: str = "127.0.0.1") -> None:
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="mail.here.test")
        self.file = self.socket.makefile("rb")
        if hello:
            self.reply()
            self.say(b"EHLO client.test")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reply(self) -> str:
        """One whole reply; "" when the server hung up."""
        lines = []
        with contextlib.suppress(ConnectionError):
            while line := self.file.readline():
                lines.append(line.decode().rstrip("\r\n"))
                if line[3:4] != b"-":
                    break
        return "\n".join(lines)

    def say(self, command: bytes) -> str:
        self.send(command + b"\r\n")
        return self.reply()

    def replies(self, number: int) -> list[str]:
        return [self.reply() for _ in range(number)]

    def envelope(self) -> None:
        """Up to the answer to DATA."""
        assert self.say(b"MAIL FROM:<a@there.test>") == status.SENDER_OK
        assert self.say(b"RCPT TO:<b@here.test>") == status.RECIPIENT_OK
        assert self.say(b"DATA").startswith("354")

    def start_tls(self) -> str:
        """Handshake and a new EHLO; returns its answer."""
        assert self.say(b"STARTTLS") == status.READY_FOR_TLS
        self.socket = no_checks().wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")
        return self.say(b"EHLO client.test")


def no_checks() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def self_signed(name: str) -> tuple[ssl.SSLContext, bytes]:
    """A server's context with a certificate for `name`, and that certificate as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"
        file.write_bytes(certificate + secret)
        context.load_cert_chain(file)
    return context, certificate


@pytest.fixture
def door() -> Iterator[Door]:
    with Door() as opened:
        yield opened


@pytest.fixture
def trusting() -> Iterator[Door]:
    """Loopback is a trusted network."""
    with Door(trusted=lambda ip: ip.startswith("127.")) as opened:
        yield opened


@pytest.fixture(scope="session")
def server_tls() -> tuple[ssl.SSLContext, bytes]:
    return self_signed("mail.here.test")


@pytest.fixture
def submission(server_tls: tuple[ssl.SSLContext, bytes]) -> Iterator[Door]:
    """A submission port with STARTTLS."""
    with Door(kind="submission", tls=lambda: server_tls[0]) as opened:
        yield opened
