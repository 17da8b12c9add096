"""The SMTP process: the MX port, the submission port and, when set, the port with TLS from the first byte.

    sessions (asyncio, webapp.mail.smtp_in) ──▶ Desk ──▶ threads with an application context ──▶ intake.service
                                                  └────▶ Committer: group commit

Ends on SIGTERM or SIGINT: no new connections, what is in DATA is finished, then the last commit.
"""

import asyncio
import logging
import signal
import ssl
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from webapp import create_app
from webapp.accounts import throttle
from webapp.core import heartbeat, log
from webapp.core.client import is_in
from webapp.core.db import db, reading
from webapp.intake import lookup, service
from webapp.intake.at_the_door import Guard
from webapp.intake.committer import Committer
from webapp.intake.lookup import Quick
from webapp.mail import status
from webapp.mail.smtp_in import Arrival, Listener, Login, Rules, SessionInfo
from webapp.mail.smtp_intake import Answer
from webapp.mail.smtp_wire import Wire
from webapp.settings import Settings

logger = logging.getLogger("mailroom.smtp")
THREADS = 8
BEAT_S, FLUSH_S, GRACE_S = 15.0, 10.0, 10.0
DOOR = "smtp"
Result = TypeVar("Result")


class Desk:
    """Answers the sessions' questions: each in a thread with an application context of its own."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self.app, self.settings = app, settings
        self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="smtp")
        self.committer = Committer(app)
        self.guard = Guard(app)
        with app.app_context():
            self.quick = Quick(db.engine)
        self.is_trusted = lru_cache(4096)(partial(is_in, networks=settings.trusted_networks))

    async def ask(self, question: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self.pool, partial(self._in_context, question, *arguments))

    def _in_context(self, question: Callable[..., Result], *arguments: Any) -> Result:
        with self.app.app_context(), reading():
            try:
                return question(*arguments)
            finally:
                db.session.remove()

    # --- webapp.mail.smtp_in.Intake ----------------------------------------------------------------------

    async def login(self, username: str, password: str, session: SessionInfo) -> Login | None:
        who = await self.ask(service.login, username, password, session.ip)
        return Login(who.name, who) if who else None

    def check_sender(self, session: SessionInfo, address: str) -> Answer:
        if session.kind == "mx":
            return service.check_stranger(address)
        return self._reply(service.check_sender, session.kind, _who(session), address, session.ip, session.declared_bytes)

    def check_recipient(self, session: SessionInfo, address: str) -> Answer:
        trusted, size = self.is_trusted(session.ip), session.declared_bytes
        email = lookup.normal(address) if session.login is None else None
        box = self.quick.find(email) if email else None
        if box is not None and box.takes(size, trusted):
            return None
        return self._reply(service.check_recipient, session.kind, _who(session), address, session.ip, trusted, size)

    def receive(self, arrival: Arrival) -> Awaitable[str]:
        passes = self.guard.passes(arrival)
        return self.committer.receive(arrival) if passes else self.guard.receive(arrival, self.committer.receive)

    def _reply(self, question: Callable[..., str | None], *arguments: Any) -> Awaitable[str | None]:
        return asyncio.get_running_loop().run_in_executor(self.pool, partial(self._ask_for_reply, question, *arguments))

    def _ask_for_reply(self, question: Callable[..., str | None], *arguments: Any) -> str | None:
        """A database that does not answer is a reason to come again, never to refuse for good."""
        try:
            return self._in_context(question, *arguments)
        except SQLAlchemyError as error:
            logger.warning("cannot ask the database: %s", error)
            return status.LOOKUP_FAILED

    # --- webapp.mail.smtp_in.Throttle --------------------------------------------------------------------

    async def wait_s(self, account: str, ip: str) -> int:
        return await self.ask(throttle.wait_s, DOOR, account, ip)

    async def failed(self, account: str, ip: str) -> None:
        await self.ask(throttle.note_failure, DOOR, account, ip)

    async def succeeded(self, account: str, ip: str) -> None:
        await self.ask(throttle.note_success, DOOR, account, ip)

    def close(self) -> None:
        self.guard.close()
        self.committer.stop()
        self.pool.shutdown(wait=True)
        self.quick.close()
        with self.app.app_context():
            service.refusals.flush(everything=True)


def _who(session: SessionInfo) -> Any:
    return session.login.data if session.login else None


class Certificate:
    """The certificate of the settings, read again when its files change; connections that are open keep theirs."""

    def __init__(self, cert: Path | None, key: Path | None) -> None:
        self.cert, self.key = cert, key
        self._context: ssl.SSLContext | None = None
        self._stamp: tuple[float, ...] = ()

    def __call__(self) -> ssl.SSLContext | None:
        """None without a certificate, and while the files cannot be read for the first time."""
        if self.cert is None or self.key is None:
            return None
        try:
            stamp = (self.cert.stat().st_mtime, self.key.stat().st_mtime)
            if stamp != self._stamp:
                self._load(self.cert, self.key)
                self._stamp = stamp
        except (OSError, ssl.SSLError) as error:
            logger.warning("cannot read the certificate %s, going on with the one before: %s", self.cert, error)
        return self._context

    def _load(self, cert: Path, key: Path) -> None:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)  # raises before anything is changed
        if self._context is None:
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(cert, key)


class Door:
    """The ports of one process."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self.app, self.settings = app, settings
        self.desk = Desk(app, settings)
        self.certificate = Certificate(settings.tls_cert, settings.tls_key)
        self.listeners: list[Listener] = []
        #: open connections of all ports, and how many each client has
        self.live_sessions: set[Wire] = set()
        self.connections: dict[str, int] = {}
        #: the ports that are listened on, by name: mx, submission, submissions
        self.ports: dict[str, int] = {}

    async def open(self) -> None:
        """raises OSError when a port is taken"""
        settings = self.settings
        await self._listen("mx", "mx", settings.smtp_port)
        await self._listen("submission", "submission", settings.submission_port)
        if settings.submissions_port is not None:
            await self._listen("submissions", "submission", settings.submissions_port, implicit_tls=True)
        logger.info("SMTP listens on %s: %s", settings.smtp_host, ", ".join(f"{name} {port}" for name, port in self.ports.items()))

    async def _listen(self, name: str, kind: str, port: int, implicit_tls: bool = False) -> None:
        settings = self.settings
        rules = Rules(
            kind=kind, connections=self.connections, hostname=settings.hostname, max_bytes=settings.max_message_bytes,
            tls=self.certificate, implicit_tls=implicit_tls,
            trusted=self.desk.is_trusted, may_auth_plain=lambda ip: is_in(ip, settings.auth_without_tls), throttle=self.desk,
        )  # fmt: skip
        listener = Listener(self.desk, rules, self.live_sessions)
        self.ports[name] = await listener.start(settings.smtp_host, port)
        self.listeners.append(listener)

    async def live(self, stop: asyncio.Event) -> None:
        """Report in, write counted refusals, look after the certificate; until told to stop."""
        beat = flush = float("-inf")
        while not stop.is_set():
            now = time.monotonic()
            if now - beat >= BEAT_S:
                beat = now
                await self.desk.ask(heartbeat.beat, "smtp")
            if now - flush >= FLUSH_S:
                flush = now
                self.certificate()
                await self._reply_to_flush()
            try:
                await asyncio.wait_for(stop.wait(), 1.0)
            except TimeoutError:
                continue

    async def _reply_to_flush(self) -> None:
        try:
            await self.desk.ask(service.refusals.flush)
        except SQLAlchemyError as error:
            logger.warning("cannot write refused attempts: %s", error)

    async def close(self) -> None:
        """No new connections, what is being handed over is finished, then the rest is cut."""
        await asyncio.gather(*[listener.stop(GRACE_S) for listener in self.listeners])
        await asyncio.get_running_loop().run_in_executor(None, self.desk.close)


def run(settings: Settings, app: Flask | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    log.configure()
    asyncio.run(_serve(app or create_app(settings), settings))


async def _serve(app: Flask, settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    door = Door(app, settings)
    await door.open()
    try:
        await door.live(stop)
    finally:
        await door.close()
