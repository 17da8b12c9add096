"""SMTP out: one blocking, pipelining connection that is kept and used for many messages (RFC 5321, 2920, 3207, 4954).

    with connect(Target("mx.example.org"), "mail.acme.test") as line:
        results = line.send("a@acme.test", ["b@example.org"], raw, on_wire=note)

A bad answer is a `SendResult`, never an exception. What was answered before the body went out decides as usual; when the end of the body
may have reached the server and no reply comes, the outcome is `uncertain`. The dialogue of each message is recorded, secrets masked,
bodies as their length.
"""

import base64
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

from webapp.mail.line_ends import with_crlf
from webapp.mail.smtp_line import HandshakeBroken, Line, Lost, Reply, reason
from webapp.mail.smtp_line import Target as Target

#: What an address between angle brackets cannot carry: blanks, brackets, controls, line ends of Unicode, halves of characters.
UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0<>\u2028\u2029\ud800-\udfff]")
PIECE = 65_536
#: So many commands go out before their replies are read: both sides' buffers hold that much.
BATCH = 100
SLOWEST_BYTES_PER_S = 10_000
OnWire = Callable[[list[str]], None]


@dataclass
class SendResult:
    """What became of one recipient: sent (2xx after the final dot), retry, failed or uncertain."""

    recipient: str
    outcome: str
    code: int | None
    text: str
    dialogue: list[str] = field(default_factory=list)
    seconds: float = 0.0
    #: version and cipher of TLS, whether the certificate was checked, what MTA-STS made of it; None in the clear
    tls: str | None = None


class ConnectFailed(Exception):
    """No session came about; `outcome` is retry or failed."""

    def __init__(self, text: str, dialogue: list[str], code: int | None = None, outcome: str = "retry") -> None:
        super().__init__(text)
        self.text, self.dialogue, self.code, self.outcome = text, dialogue, code, outcome


class _NoTls(ConnectFailed):
    """The handshake broke."""


def wire_form(raw: bytes) -> bytes:
    """The body as it goes over the wire: CRLF line ends only, dots stuffed, the final dot at the end (RELIABILITY C-04).

    NUL is taken out (RFC 5322 section 4 forbids it): some servers do that before they look for the end of the message.
    """
    body = with_crlf(raw.replace(b"\0", b""))
    if not body.endswith(b"\r\n"):
        body += b"\r\n"
    stuffed = body.replace(b"\r\n.", b"\r\n..")
    return b"".join([b"." if body.startswith(b".") else b"", stuffed, b".\r\n"])


def connect(target: Target, ehlo_name: str) -> "Connection":
    """Open, greet, start TLS, log in. raises ConnectFailed with the dialogue so far

    When opportunistic TLS breaks in the handshake the line is opened again without it, unless a password would go over it.
    """
    try:
        return _connect(target, ehlo_name, [])
    except _NoTls as failed:
        if target.tls != "opportunistic" or target.username is not None:
            raise
        return _connect(replace(target, tls="none"), ehlo_name, [*failed.dialogue, f"-- {failed.text}", "-- once more without TLS"])


def _connect(target: Target, ehlo_name: str, dialogue: list[str]) -> "Connection":
    line = Connection(target, ehlo_name)
    line.dialogue = dialogue
    try:
        line.open()
    except ConnectFailed:
        line.abort()
        raise
    except HandshakeBroken as error:
        line.abort()
        raise _NoTls(f"TLS could not be started: {error}", line.dialogue) from None
    except (OSError, Lost, ValueError) as error:
        line.abort()
        raise ConnectFailed(reason(error), line.dialogue) from None
    return line


class Connection(Line):
    """One SMTP session; `broken` once it can carry no further message. `extensions` are the keywords of EHLO."""

    def __init__(self, target: Target, ehlo_name: str) -> None:
        super().__init__(target)
        self.ehlo_name = ehlo_name
        self.extensions: set[str] = set()
        self.mechanisms: set[str] = set()
        #: the end of a body may have reached the server, and no reply came yet
        self._in_doubt = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- opening -----------------------------------------------------------------------------------

    def open(self) -> None:
        target = self.target
        self.dial()
        self._must(self.read(), 220, "The greeting")
        self._greet()
        if target.tls in ("opportunistic", "require"):
            self._start_tls()
        if target.username is not None:
            self._log_in(target.username, target.password or "")

    def _greet(self) -> None:
        self.extensions, self.mechanisms = set(), set()
        reply = self.ask(f"EHLO {self.ehlo_name}")
        if reply.code >= 500:
            self._must(self.ask(f"HELO {self.ehlo_name}"), 250, "HELO")
            return
        self._must(reply, 250, "EHLO")
        for line in reply.lines[1:]:
            keyword, *words = line.upper().replace("AUTH=", "AUTH ").split() or [""]
            self.extensions.add(keyword)
            if keyword == "AUTH":
                self.mechanisms.update(words)

    def _start_tls(self) -> None:
        required = self.target.tls == "require"
        if "STARTTLS" not in self.extensions:
            if required:
                raise ConnectFailed("The server offers no TLS, and TLS is required.", self.dialogue)
            return
        reply = self.ask("STARTTLS")
        if reply.code == 220:
            self.wrap()
            self._greet()
        elif required:
            raise ConnectFailed(f"TLS was refused: {reply.text}", self.dialogue, reply.code)

    def _log_in(self, username: str, password: str) -> None:
        if "LOGIN" in self.mechanisms and "PLAIN" not in self.mechanisms:
            reply = self.ask("AUTH LOGIN")
            for secret in (username, password):
                if reply.code == 334:
                    reply = self.ask(_base64(secret), shown="••••")
        else:
            reply = self.ask(f"AUTH PLAIN {_base64(f'{chr(0)}{username}{chr(0)}{password}')}", shown="AUTH PLAIN ••••")
        if reply.code != 235:
            raise ConnectFailed(f"The login was refused: {reply.text}", self.dialogue, reply.code)

    def _must(self, reply: Reply, code: int, what: str) -> None:
        if reply.code != code:
            outcome = "failed" if reply.code == 554 else "retry"
            raise ConnectFailed(f"{what} was answered {reply.text}", self.dialogue, reply.code, outcome)

    # --- one message -------------------------------------------------------------------------------

    def send(self, envelope_sender: str, recipients: list[str], raw: bytes, on_wire: OnWire | None = None) -> list[SendResult]:
        """Hand one message over; one result per recipient, in order.

        on_wire  called with the accepted recipients just before the body is written; what it raises ends the session and comes out here
        """
        started = time.monotonic()
        self.dialogue = []
        if any(UNSAFE.search(address) for address in [envelope_sender, *recipients]):
            text = "The address holds characters that an envelope cannot carry."
            return [SendResult(recipient, "failed", None, text, self.dialogue) for recipient in recipients]
        self.allow(self.target.timeout_s * 4)
        results: dict[str, SendResult] = {}
        accepted: list[str] = []
        try:
            self.must_be_quiet()
            accepted = self._envelope(envelope_sender, recipients, raw, results)
            if accepted:
                self._body(raw, accepted, results, on_wire)
        except (OSError, Lost) as error:
            self._lost(error, recipients, accepted, results)
        except BaseException:
            self.abort()
            raise
        for result in results.values():
            result.dialogue, result.seconds = self.dialogue, time.monotonic() - started
        return [results[recipient] for recipient in recipients]

    def _lost(self, error: Exception, recipients: list[str], accepted: list[str], results: dict[str, SendResult]) -> None:
        """The line broke: what may have been taken is uncertain, the rest comes again."""
        self.note("", f"connection lost: {reason(error)}")
        self.abort()
        for recipient in recipients:
            if recipient not in results:
                unsure = self._in_doubt and recipient in accepted
                text = "The connection broke before the last reply came" if unsure else "The connection broke"
                results[recipient] = SendResult(recipient, "uncertain" if unsure else "retry", None, f"{text}: {reason(error)}")

    def _envelope(self, sender: str, recipients: list[str], raw: bytes, results: dict[str, SendResult]) -> list[str]:
        """MAIL and RCPT (in one write where the server pipelines); the recipients that were taken. Refused ones are in `results`."""
        self._in_doubt = False
        wide = not all(address.isascii() for address in [sender, *recipients])
        if wide and "SMTPUTF8" not in self.extensions:
            text = "The next server takes no international addresses (SMTPUTF8)."
            results.update({recipient: SendResult(recipient, "failed", None, text) for recipient in recipients})
            return []
        options = f" SIZE={len(raw)}" if "SIZE" in self.extensions else ""
        if "8BITMIME" in self.extensions and not raw.isascii():
            options += " BODY=8BITMIME"
        if wide:
            options += " SMTPUTF8"
        mail, rcpts = f"MAIL FROM:<{sender}>{options}", [f"RCPT TO:<{recipient}>" for recipient in recipients]
        if "PIPELINING" in self.extensions:
            first, *replies = self._pipeline([mail, *rcpts])
        else:
            first = self.ask(mail)
            replies = [self.ask(command) for command in rcpts] if first.good else []
        if not first.good:
            self._refused(first, recipients, results)
            return []
        return self._sort(replies, recipients, results)

    def _pipeline(self, commands: list[str]) -> list[Reply]:
        replies = []
        for start in range(0, len(commands), BATCH):
            batch = commands[start : start + BATCH]
            self.write("".join(f"{command}\r\n" for command in batch).encode())
            for command in batch:
                self.note("C", command)
                replies.append(self.read())
                if replies[-1].code == 421:  # it hangs up now, and answers nothing that stands behind
                    return replies + replies[-1:] * (len(commands) - len(replies))
        return replies

    def _sort(self, replies: list[Reply], recipients: list[str], results: dict[str, SendResult]) -> list[str]:
        accepted = []
        for recipient, reply in zip(recipients, replies, strict=True):
            if reply.good:
                accepted.append(recipient)
            else:
                results[recipient] = SendResult(recipient, reply.outcome, reply.code, reply.text)
            if reply.code == 421:
                raise Lost(reply.text)
        if not accepted:
            self._recover()
        return accepted

    def _refused(self, reply: Reply, recipients: list[str], results: dict[str, SendResult]) -> None:
        """The whole message was refused before its body. A reply of another class is no answer to what was asked."""
        if reply.code < 400:
            raise Lost(f"The server's answer makes no sense: {reply.text}")
        results.update({recipient: SendResult(recipient, reply.outcome, reply.code, reply.text) for recipient in recipients})
        if reply.code == 421:
            self.broken = True
        else:
            self._recover()

    def _body(self, raw: bytes, accepted: list[str], results: dict[str, SendResult], on_wire: OnWire | None) -> None:
        reply = self.ask("DATA")
        if reply.code != 354:
            self._refused(reply, accepted, results)
            return
        body = wire_form(raw)
        if on_wire is not None:
            on_wire(accepted)
        reply = self._hand_over(body)
        outcome = "sent" if reply.good else reply.outcome if reply.code >= 400 else "uncertain"
        results.update({recipient: SendResult(recipient, outcome, reply.code, reply.text) for recipient in accepted})
        if reply.code == 421 or outcome == "uncertain":
            self.broken = True

    def _hand_over(self, body: bytes) -> Reply:
        """Write the body and hear what becomes of it. In doubt from the piece that holds the final dot until the reply."""
        self.allow(self.target.timeout_s * 4 + len(body) / SLOWEST_BYTES_PER_S)
        self.note("C", f"<{len(body)} bytes>")
        last = (len(body) - 1) // PIECE * PIECE
        view = memoryview(body)
        try:
            for start in range(0, last, PIECE):
                self.write(view[start : start + PIECE])
            self.must_be_our_turn()
            self._in_doubt = True
            self.write(view[last:])
        except OSError:
            reply = self.last_words()
            if reply is None:
                raise
            return reply
        self.allow(self.target.dot_timeout_s)
        reply = self.read(self.target.dot_timeout_s)
        self._in_doubt = False
        return reply

    def last_words(self) -> Reply | None:
        """Why the server hung up within the body, when it said so."""
        self.allow(2)
        self.broken = True
        try:
            reply = self.read()
        except (OSError, Lost):
            return None
        return reply if reply.code >= 400 else None

    def _recover(self) -> None:
        """Make the session ready for the next message after a refusal."""
        if self.ask("RSET").code != 250:
            self.broken = True

    def close(self) -> None:
        """Say goodbye, briefly."""
        if not self.broken:
            self.allow(2)
            try:
                self.ask("QUIT")
            except (OSError, Lost):
                self.note("", "no goodbye")
        self.abort()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
