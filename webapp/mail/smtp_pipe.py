"""One SMTP session used as a pipe: body, final dot and the next envelope leave in one write (RFC 2920), each reply finds its letter.

    MAIL RCPT DATA ──> 250 250 354 ──> body . MAIL RCPT DATA ──> 250 250 250 354 ──> …

At most one letter of a pipe is ever on the wire unanswered: the next body is written only after the last one's reply was read. A peer
without PIPELINING gets one command at a time. `smtp_lanes` uses several pipes in turn.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, Self

from webapp.mail.smtp_line import Lost, Reply, know_consent, reason
from webapp.mail.smtp_out import PIECE, SLOWEST_BYTES_PER_S, UNSAFE, Connection, SendResult, wire_form

#: a letter whose connection ended before its body went out is given to another one so often
MOST_TRIES = 2


class Mail:
    """A source made ready for the wire once, however many recipients it has."""

    __slots__ = ("is_ascii", "size", "wire")

    def __init__(self, raw: bytes) -> None:
        self.wire, self.size, self.is_ascii = wire_form(raw), len(raw), raw.isascii()

    @classmethod
    def ready(cls, raw: bytes) -> Self:
        """Of a source with CRLF line ends alone, one at its end, no NUL, and no line that begins with a dot; none of it is looked for."""
        made = cls.__new__(cls)
        made.wire, made.size, made.is_ascii = raw + b".\r\n", len(raw), raw.isascii()
        return made

    @property
    def raw(self) -> bytes:
        """The body without stuffed dots, made anew: hardly anybody asks for it, and a large mail is held once."""
        return self.wire[self.wire.startswith(b".") : -len(b".\r\n")].replace(b"\r\n..", b"\r\n.")


@dataclass(slots=True)
class Letter:
    """One mail for one recipient. `key` is the caller's; `dialogue` what was said about it; `tries` how many connections it has lost."""

    key: int
    sender: str
    recipient: str
    mail: Mail
    began: float = 0.0
    tries: int = 0
    dialogue: list[str] = field(default_factory=list)


class Ear(Protocol):
    """Who hears what becomes of letters."""

    def begins(self, letter: Letter, host: str) -> None:
        """The first byte of its body goes out now. What this raises ends the session and comes out of `Pipe.turn`."""

    def answered(self, letter: Letter, result: SendResult, host: str) -> None:
        """What became of it."""


Take = Callable[[], Letter | None]


class Pipe:
    """A session with what is under way on it.

    host     what the ledger calls the other side
    tls      what is kept of the connection's TLS with each result
    taken    letters that it was given
    carried  letters that were answered here; a connection that has carried some may end at any time without anybody's fault
    """

    def __init__(self, line: Connection, host: str, ear: Ear) -> None:
        self.line, self.host, self.ear = line, host, ear
        self.tls = line.tls
        self.taken = self.carried = 0
        self._greeting: list[str] = list(line.dialogue)
        self._pipelines = "PIPELINING" in line.extensions
        self._patience_s, self._dot_patience_s = line.target.timeout_s * 4, line.target.dot_timeout_s
        self._fit_sender = ""
        self._on_wire: Letter | None = None
        self._asked: Letter | None = None
        #: sent ahead of the next envelope when the one before was refused, and how many replies that brings
        self._preface, self._idle_replies = b"", 0

    @property
    def broken(self) -> bool:
        return self.line.broken

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way."""
        return self._on_wire is None and self._asked is None

    def turn(self, take: Take, give_back: Callable[[Letter], None]) -> bool:
        """Read the replies that are owed, then write what comes next; False when nothing is under way.

        take       the next letter, or None
        give_back  gets a letter that this connection lost before its body went out
        """
        if not self._pipelines:
            return self._classic(take(), give_back)
        ready: Letter | None = None
        following: Letter | None = None
        try:
            if self.at_rest:
                following = take()
                if following is None:
                    return False
                self.line.must_be_quiet()
            else:
                ready = self._hear()
                if self.line.broken:
                    return False
                following = take()
            return self._write(ready, following)
        except (OSError, Lost) as error:
            self._lost(error, [letter for letter in (ready, following) if letter is not None], give_back)
            return False
        except BaseException:
            self.line.abort()
            for letter in (ready, following, self._asked):
                if letter is not None and letter is not self._on_wire:
                    give_back(letter)
            raise

    def close(self) -> None:
        """Say good-bye; never raises."""
        if self._preface and not self.line.broken:
            try:
                self.line.allow(2)
                self.line.write(self._preface)
                for _ in range(self._idle_replies):
                    self.line.read()
            except (OSError, Lost):
                self.line.abort()
        self.line.close()

    # --- reading ------------------------------------------------------------------------------------

    def _hear(self) -> Letter | None:
        """Every reply that is owed; the letter whose body may go now, when there is one. raises OSError, Lost"""
        line, sent = self.line, self._on_wire
        if sent is None:
            line.allow(self._patience_s)
        else:
            line.dialogue = sent.dialogue
            line.allow(self._dot_patience_s + sent.mail.size / SLOWEST_BYTES_PER_S)
            reply = line.hear(self._dot_patience_s)
            self._on_wire = None
            outcome = "sent" if 200 <= reply.code < 300 else reply.outcome if reply.code >= 400 else "uncertain"
            self._answer(sent, SendResult(sent.recipient, outcome, reply.code, reply.text))
            if reply.code == 421 or outcome == "uncertain":
                raise Lost(reply.text)
        for _ in range(self._idle_replies):
            if line.hear().code == 421:
                raise Lost("The server ended the session.")
        self._idle_replies = 0
        asked, self._asked = self._asked, None
        if asked is None:
            line.must_be_our_turn()
            return None
        try:
            return asked if self._agreed(asked) else None
        except (OSError, Lost):
            self._asked = asked
            raise

    def _agreed(self, letter: Letter) -> bool:
        """Whether the server waits for the body now; if not, the letter has its answer."""
        line = self.line
        line.dialogue = letter.dialogue
        if line.hear_consent():
            return True
        refusal: Reply | None = None
        heard, before = line.heard, len(line.dialogue)
        for number in range(3):
            reply = line.hear()
            wanted = reply.code == 354 if number == 2 else 200 <= reply.code < 300
            if not wanted and refusal is None:
                if reply.code < 400 and number != 1:
                    raise Lost(f"The server's answer makes no sense: {reply.text}")
                refusal = reply
            if reply.code == 421:
                if self.carried and letter.tries < MOST_TRIES:
                    raise Lost(reply.text)
                self._answer(letter, SendResult(letter.recipient, "retry", 421, reply.text))
                line.abort()
                return False
        line.must_be_our_turn()
        if refusal is None:
            if heard.count(b"\n") == 3:
                know_consent(heard, line.dialogue[before:])
            return True
        # RFC 2920 section 3.1: a server that took DATA although it refused the envelope waits for a dot.
        self._preface, self._idle_replies = (b".\r\nRSET\r\n", 2) if reply.code == 354 else (b"RSET\r\n", 1)
        self._answer(letter, SendResult(letter.recipient, refusal.outcome, refusal.code, refusal.text))
        return False

    def _answer(self, letter: Letter, result: SendResult) -> None:
        result.dialogue, result.seconds = letter.dialogue, time.monotonic() - letter.began if letter.began else 0.0
        result.tls = self.tls
        self.carried += 1
        self.ear.answered(letter, result, self.host)

    # --- writing ------------------------------------------------------------------------------------

    def _write(self, ready: Letter | None, following: Letter | None) -> bool:
        """The body that may go, the next envelope behind it; False when there is neither. raises OSError, Lost"""
        if following is not None and (problem := self._unfit(following)):
            self._answer(following, SendResult(following.recipient, "failed", None, problem))
            following = None
        behind = b""
        if following is not None:
            behind = self._preface + self._envelope(following)
            self._preface = b""
        if ready is None:
            if not behind:
                return False
            self._asked = following
            self.line.write(behind)
            return True
        self.ear.begins(ready, self.host)
        self._body(ready, following, behind)
        return True

    def _body(self, ready: Letter, following: Letter | None, behind: bytes) -> None:
        """In doubt from the piece on that holds the final dot."""
        line, wire = self.line, ready.mail.wire
        line.allow(self._patience_s + len(wire) / SLOWEST_BYTES_PER_S)
        ready.dialogue.append(f"C: <{len(wire)} bytes>")
        if len(wire) <= PIECE:
            self._on_wire, self._asked = ready, following
            line.write(wire + behind)
            return
        view, last = memoryview(wire), (len(wire) - 1) // PIECE * PIECE
        try:
            for start in range(0, last, PIECE):
                line.write(view[start : start + PIECE])
        except OSError:
            if (reply := line.last_words()) is None:
                raise
            self._answer(ready, SendResult(ready.recipient, reply.outcome, reply.code, reply.text))
            raise Answered(reply.text) from None
        self._on_wire, self._asked = ready, following
        line.write(bytes(view[last:]) + behind)

    def _unfit(self, letter: Letter) -> str | None:
        """Why this envelope cannot be written at all."""
        if UNSAFE.search(letter.recipient) or (letter.sender != self._fit_sender and UNSAFE.search(letter.sender)):
            return "The address holds characters that an envelope cannot carry."
        self._fit_sender = letter.sender
        if not (letter.recipient.isascii() and letter.sender.isascii()) and "SMTPUTF8" not in self.line.extensions:
            return "The next server takes no international addresses (SMTPUTF8)."
        return None

    def _envelope(self, letter: Letter) -> bytes:
        letter.began = time.monotonic()
        self.taken += 1
        extensions, mail = self.line.extensions, letter.mail
        options = f" SIZE={mail.size}" if "SIZE" in extensions else ""
        if not mail.is_ascii and "8BITMIME" in extensions:
            options += " BODY=8BITMIME"
        if not (letter.recipient.isascii() and letter.sender.isascii()):
            options += " SMTPUTF8"
        first, second = f"MAIL FROM:<{letter.sender}>{options}", f"RCPT TO:<{letter.recipient}>"
        letter.dialogue += [*self._greeting, f"C: {first}", f"C: {second}", "C: DATA"]
        self._greeting = []
        return f"{first}\r\n{second}\r\nDATA\r\n".encode()

    # --- ends and the classic order -------------------------------------------------------------------

    def _lost(self, error: Exception, unsent: list[Letter], give_back: Callable[[Letter], None]) -> None:
        """The line broke: the body that may have arrived is uncertain; envelopes without a body go to another connection or come again."""
        line = self.line
        on_wire, asked = self._on_wire, self._asked
        self._on_wire = self._asked = None
        line.abort()
        why = reason(error)
        if on_wire is not None:
            on_wire.dialogue.append(f"-- connection lost: {why}")
            text = f"The connection broke before the last reply came: {why}"
            self._answer(on_wire, SendResult(on_wire.recipient, "uncertain", None, text))
        letters = [letter for letter in (*unsent, asked) if letter is not None and letter is not on_wire]
        if isinstance(error, Answered):
            letters = letters[1:]
        for letter in dict.fromkeys(map(id, letters)):
            self._apart(next(one for one in letters if id(one) == letter), why, give_back)

    def _apart(self, letter: Letter, why: str, give_back: Callable[[Letter], None]) -> None:
        letter.dialogue.append(f"-- connection lost: {why}")
        if self.carried and letter.tries < MOST_TRIES:
            letter.tries += 1
            give_back(letter)
        else:
            self._answer(letter, SendResult(letter.recipient, "retry", None, f"The connection broke: {why}"))

    def _classic(self, letter: Letter | None, give_back: Callable[[Letter], None]) -> bool:
        """One command at a time, for peers that do not pipeline."""
        if letter is None:
            return False
        letter.began = time.monotonic()
        self.taken += 1
        greeting, self._greeting = self._greeting, []
        [result] = self.line.send(letter.sender, [letter.recipient], letter.mail.raw, on_wire=lambda _: self.ear.begins(letter, self.host))
        letter.dialogue += [*greeting, *result.dialogue]
        if self.carried and result.outcome == "retry" and result.code in (None, 421) and self.line.broken and letter.tries < MOST_TRIES:
            letter.tries += 1
            give_back(letter)
            return False
        self._answer(letter, result)
        return True


class Answered(Lost):
    """The server hung up within a body and said why: that letter has its answer."""
