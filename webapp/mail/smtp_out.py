"""SMTP out: one blocking, pipelining connection that is kept and used for many messages (RFC 5321, 2920, 3207, 4954).

    with connect(Target("mx.example.org"), "mail.acme.test") as line:
        results = line.send("a@acme.test", ["b@example.org"], raw, on_wire=note)

A bad answer is a `SendResult`, never an exception. What was answered before the body went out decides as usual; when the reply to the
final dot does not come, the outcome is `uncertain`. The dialogue of each message is recorded, secrets masked, bodies as their length.
"""

import base64
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

LONGEST_LINE = 4096
LONGEST_REPLY = 65_536
UNSAFE = re.compile(r"[\x00-\x20\x7f<>]")
BARE = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True)
class Target:
    """Where to, and how. tls: none, opportunistic (when offered, certificate not checked), require, implicit."""

    host: str
    port: int = 25
    tls: str = "opportunistic"
    username: str | None = None
    password: str | None = None
    timeout_s: float = 30.0
    #: connect to this address, though the name above is greeted and checked
    address: str | None = None


@dataclass
class SendResult:
    """What became of one recipient: sent (2xx after the final dot), retry, failed or uncertain."""

    recipient: str
    outcome: str
    code: int | None
    text: str
    dialogue: list[str] = field(default_factory=list)
    seconds: float = 0.0


class ConnectFailed(Exception):
    """No session came about; `outcome` is retry or failed."""

    def __init__(self, text: str, dialogue: list[str], code: int | None = None, outcome: str = "retry") -> None:
        super().__init__(text)
        self.text, self.dialogue, self.code, self.outcome = text, dialogue, code, outcome


class _Lost(Exception):
    """The connection ended or spoke nonsense."""


@dataclass(frozen=True)
class Reply:
    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"{self.code} {' '.join(self.lines)}"[:1000]

    @property
    def outcome(self) -> str:
        """A permanent enhanced code counts as its class says; the reply's own class decides otherwise."""
        return "failed" if self.code >= 500 else "retry"


def wire_form(raw: bytes) -> bytes:
    """The body as it goes over the wire: CRLF line ends only, dots stuffed, the final dot at the end (RELIABILITY C-04)."""
    body = BARE.sub(b"\r\n", raw)
    if not body.endswith(b"\r\n"):
        body += b"\r\n"
    if body.startswith(b"."):
        body = b"." + body
    return body.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def connect(target: Target, ehlo_name: str) -> "Connection":
    """Open, greet, start TLS, log in. raises ConnectFailed with the dialogue so far"""
    line = Connection(target, ehlo_name)
    try:
        line.open()
    except ConnectFailed:
        line.abort()
        raise
    except (OSError, _Lost, ValueError) as error:
        line.abort()
        raise ConnectFailed(_reason(error), line.dialogue) from None
    return line


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "The server did not answer in time."
    return str(error) or type(error).__name__


class Connection:
    """One SMTP session; `broken` once it can carry no further message."""

    def __init__(self, target: Target, ehlo_name: str) -> None:
        self.target, self.ehlo_name = target, ehlo_name
        self.dialogue: list[str] = []
        self.extensions: set[str] = set()
        self.broken = False
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._deadline = time.monotonic() + target.timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- opening -----------------------------------------------------------------------------------

    def open(self) -> None:
        target = self.target
        self._note("", f"connect {target.address or target.host}:{target.port}")
        self._socket = socket.create_connection((target.address or target.host, target.port), timeout=target.timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.tls == "implicit":
            self._wrap()
        self._must(self._read(), 220, "greeting")
        self._ehlo()
        if target.tls in ("opportunistic", "require"):
            self._start_tls()
        if target.username is not None:
            self._log_in(target.username, target.password or "")

    def _wrap(self) -> None:
        checked = self.target.tls in ("require", "implicit")
        context = ssl.create_default_context()
        if not checked:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self._socket is None:
            raise _Lost("The connection is closed.")
        self._socket = context.wrap_socket(self._socket, server_hostname=self.target.host)
        self._buffer = b""
        self._note("", f"TLS {self._socket.version()}")  # type: ignore[attr-defined]

    def _ehlo(self) -> None:
        reply = self._ask(f"EHLO {self.ehlo_name}")
        if reply.code >= 500:
            self._must(self._ask(f"HELO {self.ehlo_name}"), 250, "HELO")
            self.extensions = set()
            return
        self._must(reply, 250, "EHLO")
        self.extensions = {line.split(" ", 1)[0].upper() for line in reply.lines[1:]}
        self.auth = next((set(line.upper().split()[1:]) for line in reply.lines[1:] if line.upper().startswith("AUTH ")), set())

    def _start_tls(self) -> None:
        if "STARTTLS" not in self.extensions:
            if self.target.tls == "require":
                raise ConnectFailed("The server offers no TLS, and TLS is required.", self.dialogue)
            return
        reply = self._ask("STARTTLS")
        if reply.code != 220:
            if self.target.tls == "require":
                raise ConnectFailed(f"TLS was refused: {reply.text}", self.dialogue, reply.code)
            return
        self._wrap()
        self._ehlo()

    def _log_in(self, username: str, password: str) -> None:
        if "PLAIN" in self.auth or "LOGIN" not in self.auth:
            token = base64.b64encode(f"\0{username}\0{password}".encode()).decode()
            reply = self._ask(f"AUTH PLAIN {token}", shown="AUTH PLAIN ••••")
        else:
            reply = self._ask("AUTH LOGIN")
            if reply.code == 334:
                reply = self._ask(base64.b64encode(username.encode()).decode(), shown="••••")
            if reply.code == 334:
                reply = self._ask(base64.b64encode(password.encode()).decode(), shown="••••")
        if reply.code != 235:
            raise ConnectFailed(f"The login was refused: {reply.text}", self.dialogue, reply.code, "retry")

    def _must(self, reply: Reply, code: int, what: str) -> None:
        if reply.code != code:
            raise ConnectFailed(f"{what} was answered {reply.text}", self.dialogue, reply.code, "failed" if reply.code == 554 else "retry")

    # --- one message -------------------------------------------------------------------------------

    def send(self, envelope_sender: str, recipients: list[str], raw: bytes, on_wire: Callable[[list[str]], None] | None = None) -> list[SendResult]:
        """Hand one message over; one result per recipient, in order.

        on_wire  called with the accepted recipients just before the body is written
        """
        self.dialogue, started = [], time.monotonic()
        self._deadline = started + self.target.timeout_s * 4
        results: dict[str, SendResult] = {}
        accepted: list[str] = []
        for address in [envelope_sender, *recipients]:
            if UNSAFE.search(address):
                text = "The address holds characters that an envelope cannot carry."
                return [SendResult(recipient, "failed", None, text, self.dialogue) for recipient in recipients]
        try:
            accepted = self._envelope(envelope_sender, recipients, raw, results)
            if accepted:
                self._body(raw, accepted, results, on_wire)
        except (OSError, _Lost, ValueError) as error:
            self._lost(error, recipients, accepted, results)
        for result in results.values():
            result.dialogue, result.seconds = self.dialogue, time.monotonic() - started
        return [results[recipient] for recipient in recipients]

    def _lost(self, error: Exception, recipients: list[str], accepted: list[str], results: dict[str, SendResult]) -> None:
        """The line broke: what had its body on the wire is uncertain, the rest comes again."""
        self.broken = True
        self._note("", f"connection lost: {_reason(error)}")
        on_wire = getattr(self, "_on_wire", False)
        for recipient in recipients:
            if recipient not in results:
                unsure = on_wire and recipient in accepted
                text = "The connection broke before the last reply came." if unsure else f"The connection broke: {_reason(error)}"
                results[recipient] = SendResult(recipient, "uncertain" if unsure else "retry", None, text)

    def _envelope(self, sender: str, recipients: list[str], raw: bytes, results: dict[str, SendResult]) -> list[str]:
        """MAIL and RCPT (in one write where the server pipelines); the recipients that were taken. Refused ones are in `results`."""
        self._on_wire = False
        options = ""
        wide = not all(address.isascii() for address in [sender, *recipients])
        if wide and "SMTPUTF8" not in self.extensions:
            results.update({r: SendResult(r, "failed", None, "The next server takes no international addresses (SMTPUTF8).") for r in recipients})
            return []
        if "SIZE" in self.extensions:
            options += f" SIZE={len(raw)}"
        if "8BITMIME" in self.extensions and not raw.isascii():
            options += " BODY=8BITMIME"
        if wide:
            options += " SMTPUTF8"
        commands = [f"MAIL FROM:<{sender}>{options}", *[f"RCPT TO:<{recipient}>" for recipient in recipients]]
        if "PIPELINING" in self.extensions:
            for start in range(0, len(commands), 100):
                self._write("".join(f"{command}\r\n" for command in commands[start : start + 100]).encode())
                if start == 0:
                    replies = []
                for command in commands[start : start + 100]:
                    self._note("C", command)
                    replies.append(self._read())
                    if replies[-1].code == 421:  # it closes now, and answers nothing that stands behind
                        return self._sort(replies + replies[-1:] * (len(commands) - len(replies)), recipients, results)
        else:
            replies = [self._ask(commands[0])]
            if replies[0].code < 400:
                replies += [self._ask(command) for command in commands[1:]]
        return self._sort(replies, recipients, results)

    def _sort(self, replies: list[Reply], recipients: list[str], results: dict[str, SendResult]) -> list[str]:
        first = replies[0]
        if first.code >= 400 or first.code < 200:
            results.update({r: SendResult(r, first.outcome, first.code, first.text) for r in recipients})
            self._recover(first)
            return []
        accepted = []
        for recipient, reply in zip(recipients, replies[1:], strict=True):
            if 200 <= reply.code < 300:
                accepted.append(recipient)
            else:
                results[recipient] = SendResult(recipient, reply.outcome, reply.code, reply.text)
                if reply.code == 421:
                    raise _Lost(reply.text)
        if not accepted:
            self._recover(replies[-1])
        return accepted

    def _body(self, raw: bytes, accepted: list[str], results: dict[str, SendResult], on_wire: Callable[[list[str]], None] | None) -> None:
        reply = self._ask("DATA")
        if reply.code != 354:
            results.update({r: SendResult(r, reply.outcome, reply.code, reply.text) for r in accepted})
            self._recover(reply)
            return
        if on_wire is not None:
            on_wire(accepted)
        body = wire_form(raw)
        self._on_wire = True
        self._write(body)
        self._note("C", f"<{len(body)} bytes>")
        reply = self._read()
        self._on_wire = False
        outcome = "sent" if 200 <= reply.code < 300 else reply.outcome
        results.update({r: SendResult(r, outcome, reply.code, reply.text) for r in accepted})
        if reply.code == 421:
            self.broken = True

    def _recover(self, reply: Reply) -> None:
        """Make the session ready for the next message after a refusal."""
        if reply.code == 421 or self.broken:
            self.broken = True
            return
        if self._ask("RSET").code != 250:
            self.broken = True

    def close(self) -> None:
        """Say goodbye, briefly."""
        if self._socket is not None and not self.broken:
            try:
                self._socket.settimeout(2)
                self._write(b"QUIT\r\n")
                self._socket.recv(512)
            except (OSError, _Lost):
                self.broken = True
        self.abort()

    def abort(self) -> None:
        self.broken = True
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # --- lines -------------------------------------------------------------------------------------

    def _note(self, who: str, text: str) -> None:
        if len(self.dialogue) < 400:
            self.dialogue.append(f"{who}: {text}" if who else f"-- {text}")

    def _ask(self, command: str, shown: str | None = None) -> Reply:
        self._write(f"{command}\r\n".encode())
        self._note("C", shown or command)
        return self._read()

    def _write(self, data: bytes) -> None:
        if self._socket is None:
            raise _Lost("The connection is closed.")
        self._socket.settimeout(max(0.1, min(self.target.timeout_s, self._deadline - time.monotonic())))
        self._socket.sendall(data)

    def _read(self) -> Reply:
        """One reply, however many lines it has, within bounds of size and time."""
        lines: list[str] = []
        total, code = 0, 0
        while True:
            line = self._line()
            total += len(line)
            if total > LONGEST_REPLY:
                raise _Lost("The server's reply is endless.")
            text = line.decode("utf-8", "replace")
            match = re.match(r"([2-5]\d\d)([ -]|$)(.*)", text, re.S)
            if match is None:
                self._note("S", text[:200])
                raise _Lost(f"The server does not speak SMTP: {text[:80]!r}")
            code = int(match[1])
            if len(lines) < 60:
                lines.append("".join(char if char.isprintable() else "?" for char in match[3])[:500])
            if match[2] != "-":
                reply = Reply(code, tuple(lines))
                self._note("S", reply.text)
                return reply

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > LONGEST_LINE:
                raise _Lost("The server's reply has an endless line.")
            left = self._deadline - time.monotonic()
            if left <= 0 or self._socket is None:
                raise TimeoutError
            self._socket.settimeout(min(self.target.timeout_s, left))
            chunk = self._socket.recv(4096)
            if not chunk:
                raise _Lost("The server closed the connection.")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r")
