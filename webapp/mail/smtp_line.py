"""The line to an SMTP server: dial, TLS, one command or reply at a time within bounds of size and time, and the record of it all."""

import contextlib
import re
import socket
import ssl
import struct
import time
from dataclasses import dataclass
from functools import cached_property, lru_cache

LONGEST_LINE = 4096
LONGEST_REPLY = 65_536
MOST_LINES = 60
MOST_NOTES = 400
REPLY = re.compile(r"([2-5]\d\d)([ -]|$)(.*)", re.S)
#: replies of one line that were read before, by their bytes; few servers say many different ones
_known: dict[bytes, "Reply"] = {}
MOST_KNOWN = 500
#: replies to MAIL, RCPT and DATA that together let the body begin, by their bytes, as they stand in a dialogue
_consents: dict[bytes, list[str]] = {}
#: a socket may be so much more patient than asked, in seconds; when writing so many times as patient, which is what a final dot may take
SLIGHTLY_S, WRITING = 1.0, 4.0


@dataclass(frozen=True)
class Target:
    """Where to, and how.

    tls        none; opportunistic (when offered, certificate not checked); require; implicit. The latter two check the certificate
    timeout_s  for connecting and each reply; the reply to the final dot may take four times as long (RFC 5321 section 4.5.3.2.6)
    dial_s     for connecting alone, where that is less
    address    connect to this address, though the name in `host` is greeted and checked
    """

    host: str
    port: int = 25
    tls: str = "opportunistic"
    username: str | None = None
    password: str | None = None
    timeout_s: float = 30.0
    address: str | None = None
    dial_s: float | None = None

    @property
    def dot_timeout_s(self) -> float:
        """How long the reply to the final dot may take; ten minutes are enough (RFC 5321 section 4.5.3.2.6)."""
        return min(self.timeout_s * 4, 600.0)


class Lost(Exception):
    """The connection ended, spoke nonsense or answered what was not asked: it can carry nothing more."""


class HandshakeBroken(Lost):
    """TLS did not come about."""


@dataclass(frozen=True)
class Reply:
    """One reply, whole. Its class alone decides (RFC 5321 section 4.2.1), whatever enhanced code the text tells."""

    code: int
    lines: tuple[str, ...]

    @cached_property
    def text(self) -> str:
        return f"{self.code} {' '.join(self.lines)}"[:1000]

    @cached_property
    def shown(self) -> str:
        """As it stands in a dialogue."""
        return f"S: {self.text}"

    @property
    def good(self) -> bool:
        return 200 <= self.code < 300

    @property
    def outcome(self) -> str:
        """What a refusal means: failed or retry."""
        return "failed" if self.code >= 500 else "retry"


@lru_cache(maxsize=2)
def tls_context(checked: bool) -> ssl.SSLContext:
    """One context for all connections, because reading the certificates of the system takes tens of milliseconds."""
    if checked:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def reason(error: Exception) -> str:
    """A sentence for the log and for people."""
    if isinstance(error, TimeoutError):
        return "The server did not answer in time."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The server's certificate is not valid: {error.verify_message}"
    return str(error) or type(error).__name__


class Line:
    """An open line; `dialogue` is what was said on it since somebody last emptied it, `broken` once it can carry nothing more."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.dialogue: list[str] = []
        self.broken = False
        #: what TLS brought: version and cipher, and whether the certificate was checked; None in the clear
        self.tls: str | None = None
        self._socket: socket.socket | None = None
        #: the patience that the socket was told last; telling it costs a call of the system
        self._told: float | None = None
        self._buffer = b""
        self.allow(target.timeout_s)

    def allow(self, seconds: float) -> None:
        """From now on everything together may take so long."""
        self._deadline = time.monotonic() + seconds

    def note(self, who: str, text: str) -> None:
        if len(self.dialogue) < MOST_NOTES:
            self.dialogue.append(f"{who}: {text}" if who else f"-- {text}")

    # --- connecting --------------------------------------------------------------------------------

    def dial(self) -> None:
        """Connect, TLS first when it is implicit. raises OSError, HandshakeBroken"""
        target = self.target
        self.note("", f"connect {target.address or target.host}:{target.port}")
        patience = min(target.timeout_s, target.dial_s or target.timeout_s)
        self._socket = socket.create_connection((target.address or target.host, target.port), timeout=patience)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.tls == "implicit":
            self.wrap()

    def wrap(self) -> None:
        """Do the TLS handshake. What came before it in the clear is no answer to anything (RFC 3207 section 6)."""
        if self._buffer:
            raise Lost("The server went on in the clear after STARTTLS.")
        line = self._open()
        checked = self.target.tls in ("require", "implicit")
        context = tls_context(checked)
        self._told = None
        line.settimeout(self._patience(self.target.timeout_s))
        try:
            wrapped = context.wrap_socket(line, server_hostname=self.target.host.rstrip("."))
        except (OSError, ValueError) as error:
            raise HandshakeBroken(reason(error)) from error
        self._socket = wrapped
        self.tls = f"{wrapped.version()}, {'certificate checked' if checked else 'certificate not checked'}"
        self.note("", f"TLS {self.tls}")

    def abort(self) -> None:
        """Hang up without a word."""
        self.broken = True
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # --- talking -----------------------------------------------------------------------------------

    def ask(self, command: str, shown: str | None = None) -> Reply:
        """One command, one reply. `shown` is what the dialogue tells instead of a secret."""
        self.note("C", shown or command)
        self.write(f"{command}\r\n".encode())
        return self.read()

    def write(self, data: bytes | memoryview) -> None:
        self.must_be_our_turn()
        line = self._open()
        self._be_patient(line, self.target.timeout_s, WRITING)
        try:
            line.sendall(data)
        except BlockingIOError:
            raise TimeoutError from None

    def must_be_our_turn(self) -> None:
        """raises Lost when the last reply came with another behind it: from here on no reply would belong to its command"""
        if self._buffer:
            raise Lost(f"The server answered what was not asked: {self._shown(self._buffer)}")

    def must_be_quiet(self) -> None:
        """raises Lost when the server hung up or said something since the last reply, as after a time-out of its own"""
        line = self._open()
        said = self._buffer
        line.setblocking(False)
        self._told = None
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            said = said or line.recv(4096)
            raise Lost(f"The server ended the session: {self._shown(said)}" if said else "The server closed the connection.")

    def hear(self, patience_s: float | None = None) -> Reply:
        """As `read`, with a short way for replies that were met before."""
        if b"\n" not in self._buffer:
            self._fill(patience_s or self.target.timeout_s)
        end = self._buffer.find(b"\n") + 1
        line = self._buffer[:end]
        known = _known.get(line)
        if known is not None:
            self._buffer = self._buffer[end:]
            self.dialogue.append(known.shown)
            return known
        reply = self.read(patience_s)
        if end and line[3:4] == b" " and len(_known) < MOST_KNOWN:
            _known[line] = reply
        return reply

    def hear_consent(self) -> bool:
        """Whether everything that was heard by now is one of the known consents to an envelope, whole; then it is taken."""
        shown = _consents.get(self._buffer)
        if shown is None:
            return False
        self._buffer = b""
        self.dialogue += shown
        return True

    @property
    def heard(self) -> bytes:
        """What has come in and was not taken."""
        return self._buffer

    def read(self, patience_s: float | None = None) -> Reply:
        """One reply, however many lines it has, within bounds of size and time; its last line's code counts."""
        lines: list[str] = []
        total = 0
        while True:
            line = self._read_line(patience_s or self.target.timeout_s)
            total += len(line)
            if total > LONGEST_REPLY:
                raise Lost("The server's reply is endless.")
            match = REPLY.match(line.decode("utf-8", "replace"))
            if match is None:
                self.note("S", self._shown(line))
                raise Lost(f"The server does not speak SMTP: {self._shown(line)}")
            if len(lines) < MOST_LINES:
                lines.append((match[3] if match[3].isprintable() else "".join(c if c.isprintable() else "?" for c in match[3]))[:500])
            if match[2] != "-":
                reply = Reply(int(match[1]), tuple(lines))
                self.note("S", reply.text)
                return reply

    def _read_line(self, patience_s: float) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > LONGEST_LINE:
                raise Lost("The server's reply has an endless line.")
            self._fill(patience_s)
        text, _, self._buffer = self._buffer.partition(b"\n")
        return text.rstrip(b"\r")

    def _fill(self, patience_s: float) -> None:
        line = self._open()
        self._be_patient(line, patience_s)
        try:
            piece = line.recv(4096)
        except BlockingIOError:
            raise TimeoutError from None
        if not piece:
            raise Lost("The server closed the connection.")
        self._buffer += piece

    def _open(self) -> socket.socket:
        if self._socket is None:
            raise Lost("The connection is closed.")
        return self._socket

    def _be_patient(self, line: socket.socket, most_s: float, times: float = 1.0) -> None:
        """Tell the socket how long it may take, unless it was told nearly the same, or up to so many times as much."""
        seconds = self._patience(most_s)
        if self._told is None or not seconds <= self._told <= seconds * times + SLIGHTLY_S:
            _make_patient(line, seconds)
            self._told = seconds

    def _patience(self, most_s: float) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(most_s, left)

    @staticmethod
    def _shown(line: bytes) -> str:
        return "".join(char if char.isprintable() else "?" for char in line.decode("utf-8", "replace")).strip()[:200]


def _make_patient(line: socket.socket, seconds: float) -> None:
    """Give up after so long. In the clear the system itself keeps the time, which saves the call that asks it before each other one."""
    if isinstance(line, ssl.SSLSocket):
        line.settimeout(seconds)
        return
    line.setblocking(True)
    whole = max(int(seconds * 1e6), 1000)
    period = struct.pack("ll", whole // 1_000_000, whole % 1_000_000)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, period)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, period)


def know_consent(data: bytes, shown: list[str]) -> None:
    """These bytes are three replies that let a body begin."""
    if len(_consents) < MOST_KNOWN:
        _consents[data] = shown
