"""The wire under an SMTP session: lines in, replies out, limits, the switch to TLS, hanging up.

aiosmtpd gives the protocol class: streams, the handshake and the idle timer. The loop over commands is ours, because its own answers
without the enhanced codes we advertise and keeps reading an endless line for as long as it lasts.
"""

import asyncio
import logging
import ssl

from aiosmtpd.smtp import SMTP, TLSSetupException

from webapp.mail import smtp_data, status
from webapp.mail.smtp_intake import Rules, SessionInfo

log = logging.getLogger("mailroom.smtp")
IDENT = "Mailroom ESMTP"
#: Bytes of a command line; RFC 5321 section 4.5.3.1.4 asks for 512, parameters and long addresses need more.
LONGEST_COMMAND = 2048
#: Answers of class 5 since the last message that was taken.
MOST_ERRORS = 100
#: A client that does not read its last replies is cut off after so many seconds.
LINGER_S = 5.0


class Wire(SMTP):
    """One connection; enters itself into `live` for as long as it lasts. `obey` is the session's."""

    line_length_limit = smtp_data.CHUNK

    def __init__(self, rules: Rules, live: "set[Wire]", loop: asyncio.AbstractEventLoop) -> None:
        self.rules, self.live = rules, live
        self.context: ssl.SSLContext | None = None if rules.implicit_tls else rules.tls()
        self.info = SessionInfo(ip="", kind=rules.kind)
        self.in_data = self.leaving = self.gone = False
        self.errors = 0
        super().__init__(object(), hostname=rules.hostname, ident=IDENT, tls_context=self.context, timeout=rules.idle_s, loop=loop)

    async def obey(self, line: bytes) -> None:
        """Carry out one command line (its end is gone) and answer."""
        raise NotImplementedError

    def start_anew(self) -> None:
        """Forget everything the client said."""
        raise NotImplementedError

    # --- the connection ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A new client; or the same one behind TLS, of whom everything said before is forgotten (RFC 3207 section 4.2)."""
        starting = self._original_transport is None
        super().connection_made(transport)
        self.start_anew()
        if not starting:
            self.info = SessionInfo(ip=self.info.ip, kind=self.rules.kind, tls=True)
            return
        peer = transport.get_extra_info("peername")
        ip = str(peer[0]) if isinstance(peer, tuple) else "127.0.0.1"
        self.info = SessionInfo(ip=ip, kind=self.rules.kind, tls=self.rules.implicit_tls)
        self.live.add(self)
        self.rules.connections[ip] = self.rules.connections.get(ip, 0) + 1

    def connection_lost(self, error: Exception | None) -> None:
        if self in self.live:
            self.live.discard(self)
            left = self.rules.connections.get(self.info.ip, 1) - 1
            if left > 0:
                self.rules.connections[self.info.ip] = left
            else:
                self.rules.connections.pop(self.info.ip, None)
        super().connection_lost(error)

    def hang_up(self) -> None:
        """Close once what was written is on its way; nothing more is read."""
        if self.gone:
            return
        self.gone = True
        transport = self.transport
        if isinstance(transport, asyncio.Transport):
            transport.close()
            self.loop.call_later(LINGER_S, transport.abort)

    def goodbye(self) -> None:
        """The server is stopping: finish DATA, else say 421 and hang up."""
        self.leaving = True
        if not self.in_data:
            self.write_reply(status.SHUTTING_DOWN)

    def _timeout_cb(self) -> None:
        self.write_reply(status.IDLE_TOO_LONG)

    # --- replies -------------------------------------------------------------------------------------

    def write_reply(self, reply: str | bytes) -> None:
        """Put one reply on its way. 421 ends the connection (RFC 5321 section 3.8)."""
        line = reply if isinstance(reply, bytes) else " ".join(reply.split()).encode(errors="replace")
        if not self.gone:
            self._writer.write(line + b"\r\n")
        if line.startswith(b"5"):
            self.errors += 1
        if line.startswith(b"421"):
            self.hang_up()

    async def push(self, reply: str | bytes) -> None:
        """Send one reply and wait for a client that reads slowly."""
        # aiosmtpd's only own reply left is the one before the handshake.
        self.write_reply(status.READY_FOR_TLS if reply == "220 Ready to start TLS" else reply)
        if not self.gone:
            await self._writer.drain()

    # --- the loop --------------------------------------------------------------------------------------

    async def _handle_client(self) -> None:
        """Read commands and obey until somebody hangs up."""
        try:
            if self.rules.connections.get(self.info.ip, 0) > self.rules.per_ip_connections:
                await self.push(status.TOO_MANY_CONNECTIONS)
                return
            await self.push(f"220 {self.hostname} {IDENT}")
            while not self.gone:
                line = await self.next_line(LONGEST_COMMAND)
                if line is not None:
                    await self._obey_safely(line)
                if self.errors > MOST_ERRORS:
                    await self.push(status.TOO_MANY_ERRORS)
        except (asyncio.IncompleteReadError, ConnectionError, TLSSetupException) as ended:
            log.info("SMTP connection from %s ended: %s", self.info.ip, type(ended).__name__)
        finally:
            self.hang_up()

    async def start_tls(self) -> None:
        """Do the handshake; what the client sent ahead of it is thrown away. One that fails ends the connection."""
        try:
            await super().smtp_STARTTLS("")
        finally:
            if not self.info.tls:
                self.hang_up()
                if self in self.live:  # asyncio tells nobody that a connection ended within the handshake
                    self.connection_lost(None)

    async def next_line(self, most: int) -> bytes | None:
        """The next line without its end; None when it was too long, which is answered already."""
        try:
            line = await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            await self.push(status.COMMAND_TOO_LONG)
            self.hang_up()
            return None
        if len(line) > most:
            await self.push(status.COMMAND_TOO_LONG)
            return None
        return line.rstrip(b"\r\n")

    async def _obey_safely(self, line: bytes) -> None:
        """A failure of ours is never the sender's fault: 451, and the message is not taken."""
        try:
            await self.obey(line)
        except Exception as error:
            if self.gone or self.transport is None or isinstance(error, asyncio.IncompleteReadError):
                raise
            log.exception("SMTP session failed")
            await self.push(status.FAILED_HERE)
