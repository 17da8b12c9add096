"""The commands of one SMTP session (RFC 5321, 1870, 2034, 2920, 3207, 4954, 6152, 6531). What mail means is the Intake's business."""

import asyncio
from datetime import UTC, datetime

from webapp.mail import smtp_data, status
from webapp.mail.line_ends import has_bare_line_end, with_crlf
from webapp.mail.smtp_auth import MECHANISMS, LoginSteps
from webapp.mail.smtp_intake import Arrival, Intake, Rules
from webapp.mail.smtp_path import NULL_PATH, after_keyword, mail_parameters, split_path
from webapp.mail.smtp_wire import Wire

MOST_RECIPIENTS = 1000
MOST_UNKNOWN = 5
#: Commands of a browser that was sent here, in a request with SMTP commands as its body.
BROWSER = frozenset({"GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "PATCH", "DELETE"})


class Server(Wire, LoginSteps):
    """One connection."""

    def __init__(self, rules: Rules, intake: Intake, live: set[Wire], loop: asyncio.AbstractEventLoop) -> None:
        self.intake = intake
        self.unknown = 0
        self.start_anew()
        super().__init__(rules, live, loop)

    def start_anew(self) -> None:
        self.greeted = self.extended = False
        self.reset()

    def reset(self) -> None:
        """No message begun."""
        self.sender: str | None = None
        self.recipients: list[str] = []
        self.smtputf8 = False

    async def obey(self, line: bytes) -> None:
        word, _, rest = line.partition(b" ")
        name = word.decode("ascii", "replace").upper()
        method = self._smtp_methods.get(name)
        if method is None:
            self.unknown += 1
            if name in BROWSER or name.endswith(":"):
                await self.push(status.NOT_A_MAIL_CLIENT)
            else:
                await self.push(status.TOO_MANY_ERRORS if self.unknown > MOST_UNKNOWN else status.UNKNOWN_COMMAND)
            return
        self._reset_timeout()
        # Bytes that are not UTF-8 become surrogates, which no address may hold.
        await method(rest.strip(b" \t").decode("utf-8", "surrogateescape"))

    async def smtp_EHLO(self, arg: str) -> None:
        if not arg:
            await self.push(status.HELLO_NEEDS_NAME)
            return
        self._greet(arg, extended=True)
        lines = [self.hostname, f"SIZE {self.rules.max_bytes}", "8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES"]
        if self.context is not None and not self.info.tls:
            lines.append("STARTTLS")
        if self.rules.kind == "submission" and self._may_log_in():
            lines.append(f"AUTH {' '.join(MECHANISMS)}")
        await self.push("".join(f"250-{line}\r\n" for line in lines).encode() + b"250 HELP")

    async def smtp_HELO(self, arg: str) -> None:
        if not arg:
            await self.push(status.HELLO_NEEDS_NAME)
            return
        self._greet(arg, extended=False)
        await self.push(f"250 {self.hostname}")

    def _greet(self, name: str, *, extended: bool) -> None:
        self.reset()
        self.greeted, self.extended = True, extended
        self.info.helo = smtp_data.printable(name, 255)

    async def smtp_STARTTLS(self, arg: str) -> None:
        if arg:
            await self.push(status.NO_ARGUMENT)
        elif self.info.tls:
            await self.push(status.TLS_ACTIVE)
        elif self.context is None:
            await self.push(status.TLS_NOT_OFFERED)
        else:
            await self.start_tls()

    async def smtp_AUTH(self, arg: str) -> None:
        words = arg.split()
        refusal = self._auth_refusal(words)
        if refusal is not None:
            await self.push(refusal)
            return
        await self.log_in(words[0].upper(), words[1] if len(words) == 2 else None)

    def _may_log_in(self) -> bool:
        return self.info.tls or self.rules.may_auth_plain(self.info.ip)

    def _auth_refusal(self, words: list[str]) -> str | None:
        if self.rules.kind != "submission":
            return status.NO_LOGINS_HERE
        if not (self.greeted and self.extended):
            return status.HELLO_FIRST
        if not self._may_log_in():
            return status.TLS_NEEDED
        if self.info.login is not None:
            return status.LOGGED_IN_ALREADY
        if self.sender is not None:
            return status.NOT_IN_A_MESSAGE
        if len(words) not in (1, 2):
            return status.LOGIN_SYNTAX
        return None if words[0].upper() in MECHANISMS else status.UNKNOWN_MECHANISM

    async def check_login(self, username: str, password: str) -> str:
        throttle, ip = self.rules.throttle, self.info.ip
        if throttle is not None and await throttle.wait_s(username, ip) > 0:
            return status.TOO_MANY_LOGINS
        login = await self.intake.login(username, password, self.info)
        if login is None:
            if throttle is not None:
                await throttle.failed(username, ip)
            return status.LOGIN_REFUSED
        if throttle is not None:
            await throttle.succeeded(username, ip)
        self.info.login = login
        return status.LOGGED_IN

    async def smtp_MAIL(self, arg: str) -> None:
        await self.push(await self._mail(arg))

    async def _mail(self, arg: str) -> str:
        if not self.greeted:
            return status.HELLO_FIRST
        if self.rules.kind == "submission" and self.info.login is None:
            return status.LOGIN_NEEDED
        if self.sender is not None:
            return status.NESTED_MAIL
        path = after_keyword("FROM:", arg)
        if not path:
            return status.MAIL_SYNTAX
        address, rest = split_path(path)
        if address is None:
            return status.BAD_SENDER
        parameters = mail_parameters(rest)
        if parameters is None:
            return status.UNKNOWN_PARAMETER
        self.info.declared_bytes = int(parameters.get("SIZE", 0))
        if self.info.declared_bytes > self.rules.max_bytes:
            return status.MESSAGE_TOO_BIG
        sender = "" if address == NULL_PATH else address
        refusal = await self.intake.check_sender(self.info, sender)
        if refusal is not None:
            return refusal
        self.sender, self.smtputf8 = sender, "SMTPUTF8" in parameters
        return status.SENDER_OK

    async def smtp_RCPT(self, arg: str) -> None:
        await self.push(await self._rcpt(arg))

    async def _rcpt(self, arg: str) -> str:
        if self.sender is None:
            return status.MAIL_FIRST if self.greeted else status.HELLO_FIRST
        path = after_keyword("TO:", arg)
        if not path:
            return status.RCPT_SYNTAX
        address, rest = split_path(path)
        if address is None or address == NULL_PATH:
            return status.BAD_ADDRESS
        if rest:
            return status.UNKNOWN_PARAMETER
        if len(self.recipients) >= MOST_RECIPIENTS:
            return status.TOO_MANY_RECIPIENTS
        refusal = await self.intake.check_recipient(self.info, address)
        if refusal is not None:
            return refusal
        self.recipients.append(address)
        return status.RECIPIENT_OK

    async def smtp_DATA(self, arg: str) -> None:
        if self.sender is None:
            await self.push(status.MAIL_FIRST if self.greeted else status.HELLO_FIRST)
        elif arg:
            await self.push(status.NO_ARGUMENT)
        elif not self.recipients:
            await self.push(status.NO_RECIPIENTS)
        elif self.leaving:
            await self.push(status.SHUTTING_DOWN)
        else:
            self.in_data = True
            try:
                await self.push(status.GO_AHEAD)
                await self._take_message()
            finally:
                self.in_data = False
                self.reset()
            if self.leaving:
                self.hang_up()

    async def _take_message(self) -> None:
        """Read it to its end, whatever becomes of it, hand it over and answer."""
        body = await smtp_data.read_message(self._reader, self.rules.max_bytes, self._reset_timeout)
        if isinstance(body, smtp_data.Refusal):
            await self.push(body.reply)
            if body.lost:
                self.hang_up()
            return
        trusted = self.rules.trusted(self.info.ip)
        if has_bare_line_end(body):
            if self.info.login is None and not trusted:
                await self.push(status.BARE_LINE_END)
                return
            body = with_crlf(body)
        reply = await self.intake.receive(self._arrival(body, trusted))
        if reply.startswith("2"):
            self.errors = 0
        await self.push(reply)

    def _arrival(self, body: bytes, trusted: bool) -> Arrival:
        info, now = self.info, datetime.now(UTC)
        head = smtp_data.received_line(
            info, self.rules.hostname, now, extended=self.extended, utf8=self.smtputf8, recipients=self.recipients
        )
        return Arrival(
            sender=self.sender or "", recipients=list(self.recipients), raw=head + body, ip=info.ip, helo=info.helo, login=info.login,
            tls=info.tls, received_at=now, smtputf8=self.smtputf8, trusted=trusted, kind=info.kind,
        )  # fmt: skip

    async def smtp_RSET(self, arg: str) -> None:
        if not arg:
            self.reset()
        await self.push(status.NO_ARGUMENT if arg else status.OK)

    async def smtp_NOOP(self, arg: str) -> None:
        await self.push(status.OK)

    async def smtp_QUIT(self, arg: str) -> None:
        await self.push(status.NO_ARGUMENT if arg else status.BYE)
        if not arg:
            self.hang_up()

    async def smtp_VRFY(self, arg: str) -> None:
        await self.push(status.NOT_VERIFIED)

    async def smtp_EXPN(self, arg: str) -> None:
        await self.push(status.NOT_OFFERED)

    async def smtp_HELP(self, arg: str) -> None:
        await self.push(status.HELP)
