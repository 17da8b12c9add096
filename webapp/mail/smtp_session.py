"""The commands of one SMTP session (RFC 5321, 1870, 2034, 2920, 3207, 4954, 6152, 6531). What mail means is the Intake's business."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import ClassVar

from webapp.mail import smtp_data, status
from webapp.mail.line_ends import has_bare_line_end, with_crlf
from webapp.mail.smtp_auth import MECHANISMS, LoginSteps
from webapp.mail.smtp_intake import Arrival, Intake, Rules
from webapp.mail.smtp_path import NULL_PATH, after_keyword, mail_parameters, split_path
from webapp.mail.smtp_wire import Wire

MOST_RECIPIENTS = 1000
MOST_UNKNOWN = 5
#: Commands of a browser that was sent here, in a request with SMTP commands as its body.
BROWSER = frozenset({b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"PATCH", b"DELETE"})


class Server(Wire, LoginSteps):
    """One connection."""

    methods: ClassVar[dict[bytes, Callable[["Server", str], None]]] = {}

    def __init__(self, rules: Rules, intake: Intake, live: set[Wire], loop: asyncio.AbstractEventLoop) -> None:
        self.intake = intake
        self.unknown = 0
        super().__init__(rules, live, loop)
        self.start_anew()

    def start_anew(self) -> None:
        self.greeted = self.extended = False
        self.reset()

    def reset(self) -> None:
        """No message begun."""
        self.sender: str | None = None
        self.recipients: list[str] = []
        self.smtputf8 = False

    def obey(self, line: bytes) -> None:
        word, _, rest = line.partition(b" ")
        method = self.methods.get(word.upper())
        if method is None:
            self._obey_unknown(word)
            return
        self.touch()
        # Bytes that are not UTF-8 become surrogates, which no address may hold.
        method(self, rest.strip(b" \t").decode("utf-8", "surrogateescape"))

    def _obey_unknown(self, word: bytes) -> None:
        self.unknown += 1
        if word.upper() in BROWSER or word.endswith(b":"):
            self.say(status.NOT_A_MAIL_CLIENT)
        else:
            self.say(status.TOO_MANY_ERRORS if self.unknown > MOST_UNKNOWN else status.UNKNOWN_COMMAND)

    def smtp_EHLO(self, arg: str) -> None:
        if not arg:
            self.say(status.HELLO_NEEDS_NAME)
            return
        self._greet(arg, extended=True)
        lines = [self.rules.hostname, f"SIZE {self.rules.max_bytes}", "8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES"]
        if self.context is not None and not self.info.tls:
            lines.append("STARTTLS")
        if self.rules.kind == "submission" and self._may_log_in():
            lines.append(f"AUTH {' '.join(MECHANISMS)}")
        self.say("".join(f"250-{line}\r\n" for line in lines).encode() + b"250 HELP")

    def smtp_HELO(self, arg: str) -> None:
        if not arg:
            self.say(status.HELLO_NEEDS_NAME)
            return
        self._greet(arg, extended=False)
        self.say(f"250 {self.rules.hostname}")

    def _greet(self, name: str, *, extended: bool) -> None:
        self.reset()
        self.greeted, self.extended = True, extended
        self.info.helo = smtp_data.printable(name, 255)

    def smtp_STARTTLS(self, arg: str) -> None:
        if arg:
            self.say(status.NO_ARGUMENT)
        elif self.info.tls:
            self.say(status.TLS_ACTIVE)
        elif self.context is None:
            self.say(status.TLS_NOT_OFFERED)
        else:
            self.later(self.start_tls(self.context))

    def smtp_AUTH(self, arg: str) -> None:
        words = arg.split()
        refusal = self._auth_refusal(words)
        if refusal is not None:
            self.say(refusal)
            return
        self.later(self.log_in(words[0].upper(), words[1] if len(words) == 2 else None))

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

    def smtp_MAIL(self, arg: str) -> None:
        found = self._mail(arg)
        if isinstance(found, str):
            self.say(found)
            return
        sender, smtputf8 = found

        def answered(refusal: str | None) -> None:
            if refusal is None:
                self.sender, self.smtputf8 = sender, smtputf8
            self.say(status.SENDER_OK if refusal is None else refusal)

        self.ask(self.intake.check_sender(self.info, sender), answered)

    def _mail(self, arg: str) -> str | tuple[str, bool]:
        """The sender and whether SMTPUTF8 was asked for; or the reply that refuses it."""
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
        return "" if address == NULL_PATH else address, "SMTPUTF8" in parameters

    def smtp_RCPT(self, arg: str) -> None:
        address, reply = self._rcpt(arg)
        if address is None:
            self.say(reply)
            return

        def answered(refusal: str | None) -> None:
            if refusal is None:
                self.recipients.append(address)
            self.say(status.RECIPIENT_OK if refusal is None else refusal)

        self.ask(self.intake.check_recipient(self.info, address), answered)

    def _rcpt(self, arg: str) -> tuple[str | None, str]:
        """The address, or (None, the reply that refuses it)."""
        if self.sender is None:
            return None, status.MAIL_FIRST if self.greeted else status.HELLO_FIRST
        path = after_keyword("TO:", arg)
        if not path:
            return None, status.RCPT_SYNTAX
        address, rest = split_path(path)
        if address is None or address == NULL_PATH:
            return None, status.BAD_ADDRESS
        if rest:
            return None, status.UNKNOWN_PARAMETER
        if len(self.recipients) >= MOST_RECIPIENTS:
            return None, status.TOO_MANY_RECIPIENTS
        return address, ""

    def smtp_DATA(self, arg: str) -> None:
        if self.sender is None:
            self.say(status.MAIL_FIRST if self.greeted else status.HELLO_FIRST)
        elif arg:
            self.say(status.NO_ARGUMENT)
        elif not self.recipients:
            self.say(status.NO_RECIPIENTS)
        elif self.leaving:
            self.say(status.SHUTTING_DOWN)
        else:
            self.say(status.GO_AHEAD)
            self.body = smtp_data.Body(self.rules.max_bytes)

    def take(self, body: bytes | smtp_data.Refusal) -> None:
        """Hand the message over, whatever becomes of it, and answer."""
        trusted = self.rules.trusted(self.info.ip)
        if isinstance(body, smtp_data.Refusal):
            self._end_message(body.reply)
            if body.lost:
                self.hang_up()
            return
        if has_bare_line_end(body):
            if self.info.login is None and not trusted:
                self._end_message(status.BARE_LINE_END)
                return
            body = with_crlf(body)
        arrival = self._arrival(body, trusted)
        self.reset()
        self.ask(self.intake.receive(arrival), self._end_message)

    def _end_message(self, reply: str | None) -> None:
        self.reset()
        reply = reply or status.FAILED_HERE
        if reply.startswith("2"):
            self.errors = 0
        self.say(reply)
        if self.leaving:
            self.hang_up()

    def _arrival(self, body: bytes, trusted: bool) -> Arrival:
        info, now = self.info, datetime.now(UTC)
        head = smtp_data.received_line(
            info, self.rules.hostname, now, extended=self.extended, utf8=self.smtputf8, recipients=self.recipients
        )
        return Arrival(
            sender=self.sender or "", recipients=list(self.recipients), raw=head + body, ip=info.ip, helo=info.helo, login=info.login,
            tls=info.tls, received_at=now, smtputf8=self.smtputf8, trusted=trusted, kind=info.kind, head_bytes=len(head),
        )  # fmt: skip

    def smtp_RSET(self, arg: str) -> None:
        if not arg:
            self.reset()
        self.say(status.NO_ARGUMENT if arg else status.OK)

    def smtp_NOOP(self, arg: str) -> None:
        self.say(status.OK)

    def smtp_QUIT(self, arg: str) -> None:
        self.say(status.NO_ARGUMENT if arg else status.BYE)
        if not arg:
            self.hang_up()

    def smtp_VRFY(self, arg: str) -> None:
        self.say(status.NOT_VERIFIED)

    def smtp_EXPN(self, arg: str) -> None:
        self.say(status.NOT_OFFERED)

    def smtp_HELP(self, arg: str) -> None:
        self.say(status.HELP)


Server.methods = {name[5:].encode(): method for name, method in vars(Server).items() if name.startswith("smtp_")}
