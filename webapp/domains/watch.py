"""Working checks off: whoever claims a check asks the DNS without any transaction, and writes what came of it in a short one.

    claim some, commit ─> each domain in a thread: its records one after the other ─> lock domain, write, plan the next look, commit

A resolver that is silent twice in a row is not asked again for that domain: the rest counts as unanswered, and the next look comes soon.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from sqlalchemy import select

from webapp.core import leases, live
from webapp.core.config import settings
from webapp.core.db import database_now, db, reading, utcnow
from webapp.core.dns import DnsAnswer
from webapp.core.outside import outside
from webapp.domains import checks, findings, schedule, service
from webapp.domains.models import DnsCheck, Domain
from webapp.mail.dns_records import Record
from webapp.mail.dns_verdicts import judge

logger = logging.getLogger("mailroom.domains")
#: domains at a time; how long a claim holds; for how long one domain, and one question, may keep a thread
BATCH, LEASE_S, DEADLINE_S, QUESTION_S = 8, 60.0, 15.0, 3.0
#: so many silences in a row, and the resolver counts as gone
SILENCES = 2
PROGRESS_S = 0.5

Lookup = Callable[..., DnsAnswer]


@dataclass
class Plan:
    """One check with all that a thread needs, so that it touches no database."""

    check_id: int
    domain_id: int
    workspace_id: int
    name: str
    hostname: str
    records: list[Record]
    done: int = 0
    told: int = 0


@dataclass
class Questions:
    """Asks each question once, with little patience."""

    lookup: Lookup
    ends: float
    known: dict[tuple[str, str], DnsAnswer] = field(default_factory=dict)
    silences: int = 0
    resolver: str = "the resolver"

    def __call__(self, name: str, type: str) -> DnsAnswer:
        asked = (name.lower().rstrip("."), type)
        if asked not in self.known:
            self.known[asked] = self._ask(*asked)
        return self.known[asked]

    def _ask(self, name: str, type: str) -> DnsAnswer:
        left = self.ends - time.monotonic()
        if self.silences >= SILENCES or left <= 0:
            return DnsAnswer(status="timeout", resolver=self.resolver)
        answer = self.lookup(name, type, timeout_s=min(QUESTION_S, left))
        self.silences = self.silences + 1 if answer.status == "timeout" else 0
        self.resolver = answer.resolver or self.resolver
        return answer


def drain(until: float) -> bool:
    """Work checks off until `time.monotonic() >= until`; True when none was left."""
    while time.monotonic() < until:
        if not work_some():
            return True
    with reading():
        left = checks.has_due()
        db.session.rollback()
    return not left


def work_some() -> bool:
    """One claim worked off; False when nothing was due."""
    with reading():
        due = checks.has_due()
        db.session.rollback()
    if not due:
        return False
    owner = leases.new_owner()
    plans = claim(owner)
    lookup = outside().dns.lookup
    with ThreadPoolExecutor(max(1, len(plans)), thread_name_prefix="dns") as pool:
        running = {pool.submit(look, plan, lookup): plan for plan in plans}
        while running:
            finished, _ = wait(running, timeout=PROGRESS_S, return_when=FIRST_COMPLETED)
            for future in finished:
                _end(owner, running.pop(future), future)
            if not finished:
                show_progress(owner, list(running.values()))
    return True


def claim(owner: str) -> list[Plan]:
    """Take some due checks; committed before any question is asked."""
    due = (DnsCheck.status == "pending") & (DnsCheck.due_at <= database_now())
    ids = leases.claim(DnsCheck, due, limit=BATCH, lease_s=LEASE_S, order=DnsCheck.due_at, owner=owner)
    rows = db.session.execute(
        select(DnsCheck, Domain).join(Domain, Domain.id == DnsCheck.domain_id).where(DnsCheck.id.in_(ids)).order_by(DnsCheck.id)
    )
    plans = []
    for check, domain in rows:
        if domain.deleted_at is not None:
            db.session.delete(check)
            continue
        plan = Plan(check.id, domain.id, domain.workspace_id, domain.name, settings().hostname, service.records(domain))
        check.started_at, check.done, check.total = utcnow(), 0, len(plan.records)
        plans.append(plan)
        live.notify(domain.workspace_id, checks.LIVE_EVENT)
    db.session.commit()
    return plans


def look(plan: Plan, lookup: Lookup) -> list[findings.Entry]:
    """Every record of one domain, in a thread: no session here."""
    ask = Questions(lookup, time.monotonic() + DEADLINE_S)
    found = []
    for record in plan.records:
        found.append(findings.entry(record, judge(record, plan.name, plan.hostname, ask), utcnow()))
        plan.done += 1
    return found


def show_progress(owner: str, plans: list[Plan]) -> None:
    """Write how far the slow ones are, for the page that follows them."""
    for plan in plans:
        if plan.done == plan.told:
            continue
        check = _held(plan, owner)
        if check is not None:
            check.done = plan.told = plan.done
            live.notify(plan.workspace_id, checks.LIVE_EVENT)
        db.session.commit()


def _end(owner: str, plan: Plan, future: "Future[list[findings.Entry]]") -> None:
    try:
        record(owner, plan, future.result())
    except Exception as error:  # one domain must not keep the others from their look
        db.session.rollback()
        logger.exception("the check %s of %s failed", plan.check_id, plan.name)
        record(owner, plan, [], f"The check broke off ({type(error).__name__}); the log of the worker says more.")


def record(owner: str, plan: Plan, entries: list[findings.Entry], error: str | None = None) -> None:
    """Write the end of a check and plan the next one, unless somebody else took it over or the domain is gone."""
    domain = db.session.scalar(
        select(Domain).where(Domain.id == plan.domain_id).with_for_update().execution_options(populate_existing=True)
    )
    check = _held(plan, owner)
    if domain is None or domain.deleted_at is not None or check is None:
        db.session.rollback()
        return
    now = utcnow()
    before = checks.last_check(domain.id)
    check.status, check.error, check.finished_at = "failed" if error else "complete", error, now
    check.lease_until, check.lease_owner, check.done = None, None, len(entries)
    db.session.flush()
    if not error:
        old = before.results if before else []
        check.results = findings.with_known(entries, old)
        findings.apply(domain, check.results, old, now)
    wait_for = schedule.wait_after(not error and findings.is_calm(domain), domain.watched_since, now)
    checks.plan(domain, "schedule", database_now() + schedule.jittered(wait_for))
    db.session.commit()


def _held(plan: Plan, owner: str) -> DnsCheck | None:
    """The check, if it is still ours."""
    held = select(DnsCheck).where(DnsCheck.id == plan.check_id, DnsCheck.status == "pending", DnsCheck.lease_owner == owner)
    found: DnsCheck | None = db.session.scalar(held.with_for_update().execution_options(populate_existing=True))
    return found
