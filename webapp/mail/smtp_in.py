"""SMTP in: what happens on the wire (RFC 5321, 1870, 2034, 2920, 3207, 4954, 6152, 6531). What mail means is the Intake's business.

    client ──▶ Server (aiosmtpd, one per connection) ──▶ Intake: login · check_sender · check_recipient · receive
               smtp_data.read_message: byte-level DATA reader

Two kinds of listener: `mx` (no login, no relay) and `submission` (login before MAIL).
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from aiosmtpd.smtp import SMTP, AuthResult
from webapp.mail import smtp_data, status
from webapp.mail.smtp_auth import AuthSteps

MOST_RECIPIENTS = 1000
LONGEST_COMMAND = 2048
NULL_SENDER = "<>"


@dataclass(frozen=True)
class Login:
    """Somebody who logged in; `data` is the Intake's own."""

    name: str
    data: Any = None


@dataclass
class SessionInfo:
    """What is known of the connection at hand."""

    ip: str
    kind: str
    helo: str = ""
    tls: bool = False
    login: Login | None = None


@dataclass(frozen=True)
class Arrival:
    """One message as it was handed over. `sender` is empty for the null sender; `raw` has CRLF line ends and a Received line on top."""

    sender: str
    recipients: list[str]
    raw: bytes
    ip: str
    helo: str
    login: Login | None
    tls: bool
    received_at: datetime
    smtputf8: bool
    trusted: bool
    kind: str = "mx"


class Intake(Protocol):
    """Decides. Replies are whole reply lines of `mail.status`; None means yes."""

    async def login(self, username: str, password: str, session: SessionInfo) -> Login | None: ...
    async def check_sender(self, session: SessionInfo, address: str) -> str | None: ...
    async def check_recipient(self, session: SessionInfo, address: str) -> str | None: ...
    async def receive(self, arrival: Arrival) -> str: ...


class Throttle(Protocol):
    """Back-off against guessing, by account and by address."""

    async def wait_s(self, account: str, ip: str) -> int: ...
    async def failed(self, account: str, ip: str) -> None: ...
    async def succeeded(self, account: str, ip: str) -> None: ...


@dataclass
class Rules:
    """How a listener behaves."""

    kind: str
    hostname: str
    max_bytes: int
    tls: Callable[[], ssl.SSLContext | None] = lambda: None
    implicit_tls: bool = False
    trusted: Callable[[str], bool] = lambda ip: False
    may_auth_plain: Callable[[str], bool] = lambda ip: False
    throttle: Throttle | None = None
    per_ip_connections: int = 50
    idle_s: float = 300.0
    connections: dict[str, int] = field(default_factory=dict)


class Server(AuthSteps, SMTP):
    """One connection. Overrides what aiosmtpd does line by line, loosely, or without limits."""

    command_size_limit = LONGEST_COMMAND
    line_length_limit = smtp_data.CHUNK
    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"

    def __init__(self, rules: Rules, intake: Intake, live: set["Server"], loop: asyncio.AbstractEventLoop) -> None:
        self.rules, self.intake, self.live = rules, intake, live
        self.in_data = False
        self.leaving = False
        self.info = SessionInfo(ip="", kind=rules.kind)
        super().__init__(
            object(), data_size_limit=rules.max_bytes, enable_SMTPUTF8=True, hostname=rules.hostname, ident="Mailroom ESMTP",
            tls_context=None if rules.implicit_tls else rules.tls(), timeout=rules.idle_s, auth_require_tls=True, loop=loop,
        )  # fmt: skip

    # --- the connection ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        starting = self._original_transport is None
        super().connection_made(transport)
        if not starting:
            self.info = SessionInfo(ip=self.info.ip, kind=self.rules.kind, tls=True)
            return
        peer = transport.get_extra_info("peername")
        ip = str(peer[0]) if isinstance(peer, tuple) else "127.0.0.1"
        self.info = SessionInfo(ip=ip, kind=self.rules.kind, tls=self.rules.implicit_tls)
        self._auth_require_tls = not (self.rules.implicit_tls or self.rules.may_auth_plain(ip))
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

    async def _handle_client(self) -> None:
        if self.rules.connections.get(self.info.ip, 0) > self.rules.per_ip_connections:
            await self.push(status.TOO_MANY_CONNECTIONS)
            if self.transport is not None:
                self.transport.close()
            return
        await super()._handle_client()

    async def handle_exception(self, error: Exception) -> str:
        """A failure of ours is never the sender's fault."""
        smtp_data.log.exception("SMTP session failed", exc_info=error)
        return status.STORE_FAILED

    async def goodbye(self) -> None:
        """The server is stopping: finish DATA, else say 421 and hang up."""
        self.leaving = True
        if not self.in_data and self.transport is not None:
            await self.push(status.SHUTTING_DOWN)
            self.transport.close()

    # --- commands ------------------------------------------------------------------------------------

    async def smtp_EHLO(self, hostname: str) -> None:
        if not hostname:
            await self.push("501 5.5.4 EHLO needs a name")
            return
        self._set_rset_state()
        self.session.extended_smtp = True
        self.session.host_name = self.info.helo = smtp_data.printable(hostname, 255)
        lines = [self.hostname, f"SIZE {self.rules.max_bytes}", "8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES"]
        if self.tls_context and not self._tls_protocol:
            lines.append("STARTTLS")
        if self.rules.kind == "submission" and (self._tls_protocol or not self._auth_require_tls):
            lines.append("AUTH PLAIN LOGIN")
        for line in lines:
            await self.push(f"250-{line}")
        await self.push("250 HELP")

    async def smtp_HELO(self, hostname: str) -> None:
        self.info.helo = smtp_data.printable(hostname or "", 255)
        await super().smtp_HELO(hostname)

    async def smtp_VRFY(self, arg: str) -> None:
        await self.push("252 2.5.2 Send the mail and it will be delivered if it can")

    async def smtp_EXPN(self, arg: str) -> None:
        await self.push("502 5.5.1 EXPN is not offered")

    async def smtp_AUTH(self, arg: str) -> None:
        if self.rules.kind != "submission":
            await self.push("502 5.5.1 This port takes no logins")
            return
        mechanism, _, rest = (arg or "").partition(" ")
        await super().smtp_AUTH(f"{mechanism.upper()} {rest}".strip())

    async def smtp_MAIL(self, arg: str | None) -> None:
        if self.rules.kind == "submission" and self.info.login is None:
            await self.push(status.LOGIN_NEEDED)
            return
        await super().smtp_MAIL(arg)

    async def _call_handler_hook(self, command: str, *args: Any) -> Any:
        """aiosmtpd's way to a handler; ours are the Intake's questions."""
        if command == "MAIL":
            return await self._mail(*args)
        if command == "RCPT":
            return await self._rcpt(*args)
        return await super()._call_handler_hook(command, *args)

    async def _mail(self, address: str, options: list[str]) -> str:
        sender = "" if address == NULL_SENDER else address
        refusal = await self.intake.check_sender(self.info, sender)
        if refusal is not None:
            return refusal
        self.envelope.mail_from = address
        self.envelope.mail_options.extend(options)
        return "250 2.1.0 Sender OK"

    async def _rcpt(self, address: str, options: list[str]) -> str:
        if address == NULL_SENDER:
            return status.BAD_ADDRESS
        if len(self.envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return status.TOO_MANY_RECIPIENTS
        refusal = await self.intake.check_recipient(self.info, address)
        if refusal is not None:
            return refusal
        self.envelope.rcpt_tos.append(address)
        return "250 2.1.5 Recipient OK"

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        return smtp_data.split_path(arg)

    async def smtp_DATA(self, arg: str) -> None:
        if await self.check_helo_needed():
            return
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 DATA needs a recipient first")
            return
        if arg:
            await self.push("501 5.5.4 DATA takes no argument")
            return
        if self.leaving:
            await self.push(status.SHUTTING_DOWN)
            return
        self.in_data = True
        try:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            await self.push(await self._take_message())
        finally:
            self.in_data = False
        self._set_post_data_state()
        if self.leaving and self.transport is not None:
            self.transport.close()

    async def _take_message(self) -> str:
        envelope, info = self.envelope, self.info
        body = await smtp_data.read_message(self._reader, self.rules.max_bytes, self._reset_timeout)
        if isinstance(body, str):
            return body
        trusted = self.rules.trusted(info.ip)
        if smtp_data.has_bare_line_end(body):
            if info.login is None and not trusted:
                return status.BARE_LINE_END
            body = smtp_data.with_crlf(body)
        now = datetime.now(UTC)
        head = smtp_data.received_line(info, self.rules.hostname, now, self.session.extended_smtp, envelope.rcpt_tos)
        arrival = Arrival(
            sender="" if envelope.mail_from == NULL_SENDER else envelope.mail_from or "", recipients=list(envelope.rcpt_tos), raw=head + body,
            ip=info.ip, helo=info.helo, login=info.login, tls=info.tls, received_at=now, smtputf8=bool(envelope.smtp_utf8), trusted=trusted,
            kind=info.kind,
        )  # fmt: skip
        return await self.intake.receive(arrival)

    # --- login (the steps are in smtp_auth) -------------------------------------------------------------

    async def _check_login(self, username: str, password: str) -> AuthResult:
        throttle, ip = self.rules.throttle, self.info.ip
        if throttle is not None and await throttle.wait_s(username, ip) > 0:
            return AuthResult(success=False, handled=False, message=status.TOO_MANY_LOGINS)
        login = await self.intake.login(username, password, self.info)
        if login is None:
            if throttle is not None:
                await throttle.failed(username, ip)
            return AuthResult(success=False, handled=False, message=status.LOGIN_REFUSED)
        if throttle is not None:
            await throttle.succeeded(username, ip)
        self.info.login = login
        return AuthResult(success=True)


class Listener:
    """A listening port; `start`, then `stop` with some time for mails that are being handed over."""

    def __init__(self, intake: Intake, rules: Rules) -> None:
        self.intake, self.rules = intake, rules
        self.live: set[Server] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port (port 0 takes a free one). raises OSError when it is taken"""
        loop = asyncio.get_running_loop()
        context = self.rules.tls() if self.rules.implicit_tls else None
        self._server = await loop.create_server(
            lambda: Server(self.rules, self.intake, self.live, loop), host, port, ssl=context, reuse_address=True, backlog=256
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self, grace_s: float = 10.0) -> None:
        """Take no more connections, let DATA finish, close the rest."""
        if self._server is not None:
            self._server.close()
        for server in list(self.live):
            await server.goodbye()
        ends = asyncio.get_running_loop().time() + grace_s
        while self.live and asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(0.05)
        for server in list(self.live):
            if server.transport is not None:
                server.transport.close()
