"""Mails on their way out, and SMTP servers to send them to."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tests.factories.mailboxes import make_mailbox
from tests.fakes import Listener
from webapp.core.db import begin_writing, db
from webapp.sending import service, work
from webapp.sending.fleet import fleet
from webapp.sending.models import Delivery, Outgoing

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def use_transport(app: Any, transport: str) -> None:
    """Set MAILROOM_TRANSPORT for the rest of the test (the fixture `app` puts the configuration back)."""
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], transport=transport)


def make_outgoing(person: Any, *recipients: str, commit: bool = True, **options: Any) -> Outgoing:
    """A mail of a mailbox of `person` (`mailbox` may be given) to these recipients, one at example.org by default."""
    mailbox = options.pop("mailbox", None) or make_mailbox(person, commit=False)
    recipients = recipients or ("ada@example.org",)
    raw = options.pop("raw", None) or f"From: {mailbox.email}\r\nTo: {recipients[0]}\r\nSubject: Hello\r\n\r\nIt works.\r\n".encode()
    outgoing = service.submit(
        workspace_id=mailbox.workspace_id, mailbox_id=mailbox.id, envelope_sender=options.pop("envelope_sender", mailbox.email),
        recipients=recipients, raw=raw, kind=options.pop("kind", "api"), **options,
    )  # fmt: skip
    if commit:
        db.session.commit()
    return outgoing


def deliveries(outgoing: Outgoing | None = None) -> list[Delivery]:
    """The rows as they stand in the database now."""
    db.session.expire_all()
    query = db.session.query(Delivery).order_by(Delivery.id)
    return query.filter_by(outgoing_id=outgoing.id).all() if outgoing is not None else query.all()


def make_due() -> None:
    """Let every waiting row's time come now."""
    db.session.query(Delivery).filter(Delivery.next_attempt_at.is_not(None)).update({"next_attempt_at": LONG_AGO})
    db.session.commit()


@dataclass
class Taken:
    """A mail as it came over the wire; `wire` is the body with its stuffing."""

    sender: str
    recipients: list[str]
    wire: bytes

    @property
    def raw(self) -> bytes:
        return b"".join(line[1:] if line.startswith(b".") else line for line in self.wire.splitlines(keepends=True))


#: what a server says at a step: a reply, or a function that does it itself and returns whether the talk goes on
Step = bytes | Callable[[socket.socket], bool]


@dataclass
class Script:
    """What a `Sink` says: a reply for each step; per recipient where `rcpt` names one."""

    banner: Step = b"220 sink.test ESMTP\r\n"
    ehlo: Step = b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 30000000\r\n"
    mail: Step = b"250 2.1.0 ok\r\n"
    rcpt: dict[str, Step] = field(default_factory=dict)
    rcpt_default: Step = b"250 2.1.5 ok\r\n"
    data: Step = b"354 go ahead\r\n"
    dot: Step = b"250 2.0.0 taken\r\n"
    auth: Step = b"235 2.7.0 welcome\r\n"


class Sink:
    """A real SMTP listener on loopback that keeps what it took and answers by a script."""

    def __init__(self, script: Script | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.script = script or Script()
        self.taken: list[Taken] = []
        self.lines: list[bytes] = []
        self.body_seen = threading.Event()
        self.listener = Listener(self._talk, host=host, port=port)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.listener.port}"

    @property
    def recipients(self) -> list[str]:
        return [recipient for mail in self.taken for recipient in mail.recipients]

    def close(self) -> None:
        self.listener.close()

    def __enter__(self) -> "Sink":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _say(self, connection: socket.socket, step: Step) -> bool:
        if callable(step):
            return step(connection)
        connection.sendall(step)
        return not step.startswith((b"421", b"554 5.3.2"))

    def _talk(self, connection: socket.socket, _listener: Listener) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = connection.makefile("rb")
        if not self._say(connection, self.script.banner):
            return
        sender, recipients = "", []
        while line := reader.readline():
            self.lines.append(line)
            verb = line[:4].upper()
            if verb in (b"EHLO", b"HELO"):
                going = self._say(connection, self.script.ehlo)
            elif verb == b"AUTH":
                going = self._say(connection, self.script.auth)
            elif verb == b"MAIL":
                sender, recipients = line.split(b"<", 1)[1].split(b">")[0].decode(), []
                going = self._say(connection, self.script.mail)
            elif verb == b"RCPT":
                address = line.split(b"<", 1)[1].split(b">")[0].decode()
                step = self.script.rcpt.get(address, self.script.rcpt_default)
                if isinstance(step, bytes) and step.startswith(b"2"):
                    recipients.append(address)
                going = self._say(connection, step)
            elif verb == b"DATA":
                going = self._data(connection, reader, sender, recipients)
            elif verb == b"QUIT":
                with contextlib.suppress(OSError):
                    connection.sendall(b"221 bye\r\n")
                return
            else:
                connection.sendall(b"250 ok\r\n")
                going = True
            if not going:
                return

    def _data(self, connection: socket.socket, reader: Any, sender: str, recipients: list[str]) -> bool:
        if not self._say(connection, self.script.data):
            return False
        if isinstance(self.script.data, bytes) and not self.script.data.startswith(b"354"):
            return True
        body = b""
        while (line := reader.readline()) != b".\r\n":
            if not line:
                return False
            body += line
        taken = Taken(sender, recipients, body)
        answer = self.script.dot
        if callable(answer):
            self.taken.append(taken)
            self.body_seen.set()
            return answer(connection)
        if answer.startswith(b"2"):
            self.taken.append(taken)
        self.body_seen.set()
        return self._say(connection, answer)


def hang_up(connection: socket.socket) -> bool:
    """End the connection without a word."""
    connection.close()
    return False


def run_drain(seconds: float = 5.0) -> bool:
    """One round of the drain in this process, as a worker does it; waits for batches that went on without it."""
    db.session.commit()
    begin_writing()
    try:
        return work.drain(time.monotonic() + seconds)
    finally:
        db.session.commit()
        assert fleet.wait(30), "a batch is still under way"
