"""The wire under an SMTP session: bytes in, lines and messages out of them, replies back, limits, the switch to TLS, hanging up.

    data_received ──▶ buffer ──▶ pump: line by line to `obey`, or (within DATA) to the body reader ──▶ replies, one write for all of a group

Nothing here waits: a command whose answer takes time (`ask`, `later`) holds the pump, and what the client sends meanwhile stays in the
buffer, up to a bound. A client that does not read its replies is not read either.
"""

import asyncio
import logging
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from webapp.mail import smtp_data, status
from webapp.mail.smtp_intake import Rules, SessionInfo
from webapp.mail.smtp_places import place_of

log = logging.getLogger("mailroom.smtp")
IDENT = "Mailroom ESMTP"
#: Bytes of a command line; RFC 5321 section 4.5.3.1.4 asks for 512, parameters and long addresses need more.
LONGEST_COMMAND = 2048
#: Answers of class 5 since the last message that was taken.
MOST_ERRORS = 100
#: A client that does not read its last replies is cut off after so many seconds.
LINGER_S = 5.0
#: Bytes that may wait in the buffer while a command is being answered, and commands carried out before others get their turn.
MOST_AHEAD, TURN = 256 * 1024, 200


class Wire(asyncio.Protocol, ABC):
    """One connection; enters itself into `live` for as long as it lasts. `obey` and `take` are the session's."""

    def __init__(self, rules: Rules, live: "set[Wire]", loop: asyncio.AbstractEventLoop) -> None:
        self.rules, self.live, self.loop = rules, live, loop
        self.context: ssl.SSLContext | None = None if rules.implicit_tls else rules.tls()
        self.info = SessionInfo(ip="", kind=rules.kind)
        self.transport: asyncio.Transport | None = None
        self.buffer, self.out = bytearray(), list[bytes]()
        self.body: smtp_data.Body | None = None
        #: a command is being answered · the client does not read · it has said its last word · the server stops · hung up
        self.busy = self.clogged = self.ended = self.leaving = self.gone = False
        self.waiting_for_line: asyncio.Future[bytes | None] | None = None
        self.longest, self.errors, self.since_seen = LONGEST_COMMAND, 0, 0
        self.place, self.seen_at = "", 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False

    @abstractmethod
    def obey(self, line: bytes) -> None:
        """Carry out one command line (its end is gone) and answer, now or later."""

    @abstractmethod
    def take(self, body: bytes | smtp_data.Refusal) -> None:
        """Take the message that DATA brought, or answer why it was refused."""

    @abstractmethod
    def start_anew(self) -> None:
        """Forget everything the client said."""

    # --- the connection ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        peer = transport.get_extra_info("peername")
        ip = str(peer[0]) if isinstance(peer, tuple) else "127.0.0.1"
        self.info = SessionInfo(ip=ip, kind=self.rules.kind, tls=self.rules.implicit_tls)
        self.start_anew()
        self.place = place_of(ip)
        self.live.add(self)
        self.rules.connections[self.place] = number = self.rules.connections.get(self.place, 0) + 1
        self.touch()
        if number > self.rules.per_ip_connections or not self.rules.make_room(self.live):
            self.say(status.TOO_MANY_CONNECTIONS)
            return
        self._timer = self.loop.call_later(self.rules.idle_s, self._look)
        self.say(f"220 {self.rules.hostname} {IDENT}")
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        if self not in self.live:
            return
        self.live.discard(self)
        left = self.rules.connections.get(self.place, 1) - 1
        if left > 0:
            self.rules.connections[self.place] = left
        else:
            self.rules.connections.pop(self.place, None)
        if not self.gone:
            log.info("SMTP connection from %s ended: %s", self.info.ip, type(error).__name__ if error else "closed by the client")
        self.gone = True
        self.buffer.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self.waiting_for_line is not None and not self.waiting_for_line.done():
            self.waiting_for_line.cancel()

    def hang_up(self) -> None:
        """Close once what was written is on its way; nothing more is read."""
        if self.gone:
            return
        self.flush()
        self.gone = True
        self.buffer.clear()
        if self.transport is not None:
            self.transport.close()
            self.loop.call_later(LINGER_S, self.transport.abort)

    def goodbye(self) -> None:
        """The server is stopping: finish a message that is on its way, else say 421 and hang up."""
        self.leaving = True
        if not self.in_message:
            self.say(status.SHUTTING_DOWN)

    @property
    def in_message(self) -> bool:
        """Whether a message is being read or stored."""
        return self.body is not None or (self.busy and self.waiting_for_line is None)

    def touch(self) -> None:
        """The client did something: its time begins anew."""
        self.seen_at = self.loop.time()

    def _look(self) -> None:
        """Cut off a client that was idle for too long. One timer a connection, set again rather than for each command."""
        idle_s = self.rules.patience_s(len(self.live))
        left = self.seen_at + idle_s - self.loop.time()
        if self.gone:
            return
        if left <= 0 and (not self.busy or self.waiting_for_line is not None or self.clogged):
            self.say(status.IDLE_TOO_LONG)
            return
        self._timer = self.loop.call_later(min(max(left, 0.05), self.rules.idle_s), self._look)

    # --- replies -------------------------------------------------------------------------------------

    def say(self, reply: str | bytes) -> None:
        """Put one reply on its way; it leaves with `flush`. 421 ends the connection (RFC 5321 section 3.8)."""
        if self.gone:
            return
        line = reply if isinstance(reply, bytes) else " ".join(reply.split()).encode(errors="replace")
        self.out.append(line)
        if line.startswith(b"5"):
            self.errors += 1
        elif line.startswith(b"421"):
            self.hang_up()

    def flush(self) -> None:
        """Send what was said, in one write."""
        if self.out and self.transport is not None and not self.gone:
            self.out.append(b"")
            self.transport.write(b"\r\n".join(self.out))
        self.out.clear()

    def pause_writing(self) -> None:
        self.clogged = True

    def resume_writing(self) -> None:
        self.clogged = False
        self.pump()

    # --- what comes in -------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.gone:
            return
        self.buffer += data
        if self.body is not None:
            self.since_seen += len(data)
            if self.since_seen >= smtp_data.CHUNK:
                self.since_seen = 0
                self.touch()
        self.pump()
        if not self._paused and (self.busy or self.clogged) and len(self.buffer) > MOST_AHEAD and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Whoever sends everything and closes its side still hears the replies; TLS knows no half-closed line."""
        self.ended = True
        self.pump()
        return not self.info.tls and not self.gone

    def pump(self) -> None:
        """Carry out what lies in the buffer until something has to be waited for."""
        turns = 0
        while self.buffer and self.errors <= MOST_ERRORS and not (self.busy or self.gone or self.clogged):
            if not (self._next_body() if self.body is not None else self._next_command()):
                break
            turns += 1
            if turns >= TURN:
                self.flush()
                self.loop.call_soon(self.pump)
                return
        if self.errors > MOST_ERRORS:
            self.say(status.TOO_MANY_ERRORS)
        self.flush()
        if self.waiting_for_line is not None:
            self._offer_line()
        if self._paused and not (self.busy or self.clogged or self.gone) and self.transport is not None:
            self._paused = False
            self.transport.resume_reading()
        if self.ended and not (self.busy or self.clogged):
            self.hang_up()

    def _next_command(self) -> bool:
        line = self._cut_line(LONGEST_COMMAND)
        if line is None:
            return False
        if line:
            try:
                self.obey(line.rstrip(b"\r\n"))
            except Exception:
                log.exception("SMTP session failed")
                self.say(status.FAILED_HERE)
        return True

    def _cut_line(self, most: int) -> bytes | None:
        """The next line with its end; None while it is not whole; empty when it was too long, which is answered already."""
        end = self.buffer.find(b"\n")
        if end < 0:
            if len(self.buffer) > smtp_data.CHUNK:
                self.say(status.COMMAND_TOO_LONG)
                self.hang_up()
            return None
        line = bytes(self.buffer[: end + 1]) if end < most else b""
        del self.buffer[: end + 1]
        if end >= most:
            self.say(status.COMMAND_TOO_LONG)
        return line

    def _next_body(self) -> bool:
        body = self.body.feed(self.buffer) if self.body is not None else None
        if body is None:
            return False
        self.body = None
        self.touch()
        try:
            self.take(body)
        except Exception:
            log.exception("SMTP session failed")
            self.say(status.FAILED_HERE)
        return True

    # --- what takes time -----------------------------------------------------------------------------

    def ask(self, question: str | Awaitable[str | None] | None, then: Callable[[str | None], None]) -> None:
        """Go on with the answer: at once when it is there, else when it comes; a failure of ours is never the sender's fault (451)."""
        if question is None or isinstance(question, str):
            then(question)
            return
        self.busy = True
        self.flush()
        asyncio.ensure_future(question, loop=self.loop).add_done_callback(partial(self._answered, then))

    def _answered(self, then: Callable[[str | None], None], answer: "asyncio.Future[str | None]") -> None:
        self.busy = False
        self.touch()
        try:
            then(answer.result())
        except asyncio.CancelledError:
            self.hang_up()
        except Exception:
            log.exception("SMTP session failed")
            self.say(status.FAILED_HERE)
            if self.leaving:
                self.hang_up()
        self.pump()

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Carry out a command of several steps; the pump stands still until it ends."""

        async def finish() -> None:
            await work

        self.ask(finish(), lambda _: None)

    async def next_line(self, most: int) -> bytes | None:
        """The next line without its end, within `later`; None when it was too long, which is answered already."""
        self.flush()
        self.longest = most
        self.waiting_for_line = self.loop.create_future()
        self._offer_line()
        try:
            return await self.waiting_for_line
        finally:
            self.waiting_for_line = None

    def _offer_line(self) -> None:
        if self.waiting_for_line is None or self.waiting_for_line.done():
            return
        line = self._cut_line(self.longest)
        if line is not None:
            self.waiting_for_line.set_result(line.rstrip(b"\r\n") if line else None)
        elif self.gone or self.ended:
            self.waiting_for_line.cancel()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Do the handshake; what the client sent ahead of it is thrown away, and so is all it said before (RFC 3207 section 4.2)."""
        self.say(status.READY_FOR_TLS)
        self.flush()
        self.buffer.clear()
        transport = self.transport
        assert transport is not None
        try:
            self.transport = await self.loop.start_tls(transport, self, context, server_side=True, ssl_handshake_timeout=self.rules.idle_s)
        except (OSError, ssl.SSLError, TimeoutError) as error:
            log.info("SMTP connection from %s ended: %s", self.info.ip, type(error).__name__)
            self.hang_up()
            self.connection_lost(None)  # asyncio tells nobody that a connection ended within the handshake
            return
        self.info = SessionInfo(ip=self.info.ip, kind=self.rules.kind, tls=True)
        self.context = None
        self.start_anew()
