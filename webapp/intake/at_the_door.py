"""Refusing, between the end of data and the reply, what pretends to come from a domain that asks for it to be refused.

    trusted peer, login ────────────────────────────────────────────────> committer (nothing is asked)
    no domain here refuses unproven mail (known for a few seconds) ─────> committer
    else: SPF, DKIM and DMARC within BUDGET_S, in threads of its own ───> 550 5.7.26, or committer

Only mail whose every recipient belongs to a domain with `refuse_unproven` is refused, only when its sender's DMARC policy says `reject`,
and never because the DNS did not answer: what is not refused goes on to the job, which looks again (reference/mailtrigger.md 6.2).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from flask import Flask
from sqlalchemy import select

from webapp.audit.service import Target
from webapp.core.actor import Actor
from webapp.core.config import settings
from webapp.core.db import db, reading
from webapp.core.outside import outside
from webapp.domains.models import Domain
from webapp.intake import recipients, service
from webapp.intake.resolver import Resolver
from webapp.mail.authentication import Verdict, authenticate
from webapp.mail.smtp_in import Arrival

logger = logging.getLogger("mailroom.smtp")
#: for all questions about one mail, and what the session waits altogether
BUDGET_S, PATIENCE_S = 5.0, 6.0
#: mails that are checked at the same time
AT_ONCE = 16
#: for how long is known whether any domain here refuses unproven mail
KNOWN_S = 5.0
Take = Callable[[Arrival], Awaitable[str]]


class Guard:
    """Stands before the committer; threads of its own, so that slow resolvers hold up nobody else."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="at-the-door")
        self._any, self._until = False, 0.0

    def passes(self, arrival: Arrival) -> bool:
        """Whether the mail may go straight on; asks nobody."""
        if arrival.trusted or arrival.login is not None:
            return True
        return time.monotonic() < self._until and not self._any

    async def receive(self, arrival: Arrival, take: Take) -> str:
        """The reply to the final dot: a refusal, or that of `take`."""
        question = asyncio.get_running_loop().run_in_executor(self.pool, self._refusal, arrival)
        try:
            refusal = await asyncio.wait_for(question, PATIENCE_S)
        except TimeoutError:
            refusal = None
        return refusal or await take(arrival)

    def _refusal(self, arrival: Arrival) -> str | None:
        """A failure here is no reason to refuse: the job looks again."""
        try:
            with self.app.app_context():
                return self._judge(arrival)
        except Exception:
            logger.exception("the origin of a mail could not be checked at the door")
            return None

    def _judge(self, arrival: Arrival) -> str | None:
        domains = self._refusing(arrival)
        if not domains:
            return None
        verdict = authenticate(
            arrival.raw, ip=arrival.ip, helo=arrival.helo, mail_from=arrival.sender, hostname=settings().hostname,
            lookup=Resolver(outside().dns, BUDGET_S).lookup,
        )  # fmt: skip
        if not is_refused(verdict):
            return None
        stranger = Actor("system", domains[0][0], name="SMTP", ip=arrival.ip)
        service.refusals.note(stranger, "smtp.unproven", Target("domain", domains[0][1], domains[0][2]), verdict.explanation)
        return refusal_of(verdict)

    def _refusing(self, arrival: Arrival) -> list[tuple[int, int, str]]:
        """(workspace, id, name) of the domains of the recipients if all of them refuse unproven mail; else none."""
        with reading():
            try:
                some = select(Domain.id).where(Domain.refuse_unproven, Domain.deleted_at.is_(None)).limit(1)
                self._any = db.session.scalar(some) is not None
                self._until = time.monotonic() + KNOWN_S
                found = [recipients.resolve(recipients.full(address) or address) for address in arrival.recipients if self._any]
                boxes = [(one.mailbox, one.domain) for one in found]
                refusing = all(box and domain and domain.refuse_unproven and not box.allow_unauthenticated for box, domain in boxes)
                return [(domain.workspace_id, domain.id, domain.name) for _, domain in boxes if domain] if refusing else []
            finally:
                db.session.remove()

    def close(self) -> None:
        self.pool.shutdown(wait=True, cancel_futures=True)


def is_refused(verdict: Verdict) -> bool:
    """Whether the sender's domain asks for this mail to be refused, and everybody who had to be asked answered."""
    return verdict.overall == "fail" and verdict.dmarc.result == "fail" and verdict.dmarc.disposition == "reject"


def refusal_of(verdict: Verdict) -> str:
    """The reply (RFC 7372 section 3.3)."""
    domain = verdict.dmarc.domain
    return f"550 5.7.26 Nothing proves that the mail comes from {domain}, and {domain} asks to refuse such mail (DMARC)"
