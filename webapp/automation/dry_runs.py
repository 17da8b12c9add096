"""What a route would have caught: its conditions on the stored mail of the last seven days, at most 200 of it, nothing carried out.

    load ──> Stored (summaries and bytes; the transaction can end) ──> judge ──> Funnel (pure)
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from webapp.automation import mail_state, matching, reach
from webapp.automation.matching import Outcome, RuleSpec, in_order
from webapp.core.actor import Actor
from webapp.core.blobs import blobs, unpack
from webapp.core.db import db, utcnow
from webapp.messages.models import Message, RawMessage

DAYS = 7
MOST_MAILS = 200
MOST_CASES = 12
#: patterns may be slow: after this many seconds the rest is left out, and the page says so
BUDGET_S = 4.0


@dataclass(frozen=True)
class StoredMail:
    id: int
    subject: str
    sender: str
    envelope_sender: str
    envelope_recipients: list[str]
    direction: str
    raw: bytes | None
    blob_key: str | None
    verdict: dict[str, Any] | None = None


@dataclass(frozen=True)
class Stored:
    """The mails of a dry run, newest first."""

    email: str
    mails: list[StoredMail]
    at: datetime
    capped: bool


@dataclass
class Stage:
    """One condition in the funnel: how many mails were left behind it, how many it took out (or, for any, brought in)."""

    position: int
    label: str
    left: int = 0
    lost: int = 0
    asked: int = 0

    @property
    def never_decides(self) -> bool:
        return self.asked > 0 and self.lost == 0


@dataclass(frozen=True)
class Case:
    """One mail and what decided about it."""

    message_id: int
    subject: str
    matched: bool
    rule: str
    text: str
    failed: bool = False


@dataclass
class Funnel:
    email: str
    match_type: str
    total: int
    looked_at: int = 0
    matched: int = 0
    failed: int = 0
    stages: list[Stage] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    at: datetime | None = None
    capped: bool = False
    stopped: bool = False


def load(actor: Actor, mailbox_id: int, direction: str) -> Stored:
    """The newest mails of the mailbox, without test mails. raises NotFound"""
    actor.require("testmail:run")
    mailbox = reach.get_mailbox(actor, mailbox_id)
    words = {"incoming": ("received",), "outgoing": ("sent",)}.get(direction, ("received", "sent"))
    query = select(Message, RawMessage.packed, RawMessage.blob_key).join(RawMessage, RawMessage.id == Message.raw_id)
    query = query.where(
        Message.mailbox_id == mailbox.id, Message.deleted_at.is_(None), Message.direction.in_(words), Message.is_test.is_(False),
        Message.created_at >= utcnow() - timedelta(days=DAYS),
    )  # fmt: skip
    rows = list(db.session.execute(query.order_by(Message.id.desc()).limit(MOST_MAILS + 1)))
    mails = [
        StoredMail(
            row.id, row.subject, row.sender, row.envelope_sender, row.envelope_recipients, row.direction, packed, blob_key, row.auth_verdict
        )
        for row, packed, blob_key in rows[:MOST_MAILS]
    ]
    return Stored(mailbox.email, mails, utcnow(), len(rows) > MOST_MAILS)


def judge(stored: Stored, rules: Sequence[RuleSpec], match_type: str) -> Funnel:
    """Walk every mail through the conditions. Pure but for large sources, which come from the blob store."""
    funnel = Funnel(stored.email, match_type, len(stored.mails), at=stored.at, capped=stored.capped)
    stages = {position: Stage(position, rule.name) for position, rule in in_order(rules)}
    until = time.monotonic() + BUDGET_S
    for mail in stored.mails:
        if time.monotonic() > until:
            funnel.stopped = True
            break
        raw = unpack(mail.raw if mail.raw is not None else blobs().get(mail.blob_key or ""))
        view = mail_state.view_of(
            raw, envelope_sender=mail.envelope_sender, envelope_recipients=mail.envelope_recipients, direction=mail.direction,
            verdict=mail.verdict,
        )  # fmt: skip
        outcome = matching.evaluate(rules, match_type, view)
        funnel.looked_at += 1
        funnel.matched += outcome.matched
        funnel.failed += outcome.error is not None
        _count(stages, outcome, match_type)
        funnel.cases.append(_case(mail, outcome, rules, match_type))
    left = funnel.looked_at if match_type == "all" else 0
    for stage in stages.values():
        left += stage.lost if match_type == "any" else -stage.lost
        stage.left = left
        funnel.stages.append(stage)
    funnel.cases = _choose(funnel.cases)
    return funnel


def _count(stages: dict[int, Stage], outcome: Outcome, match_type: str) -> None:
    for verdict in outcome.verdicts:
        if verdict.matched is None:
            continue
        stage = stages[verdict.position]
        stage.asked += 1
        decided = verdict.matched if match_type == "any" else not verdict.matched
        stage.lost += decided


def _case(mail: StoredMail, outcome: Outcome, rules: Sequence[RuleSpec], match_type: str) -> Case:
    title = mail.subject or "(no subject)"
    if outcome.error is not None:
        return Case(mail.id, title, False, "", outcome.error, failed=True)
    if outcome.decided_by is None:
        everything = "No conditions: every mail." if not rules else "All conditions hold." if match_type == "all" else "No condition holds."
        return Case(mail.id, title, outcome.matched, "", everything)
    verdict = outcome.verdicts[outcome.decided_by]
    found = f"“{verdict.excerpt}”" if verdict.excerpt else "nothing to show"
    said = f"{'holds' if verdict.matched else 'does not hold'}, {found}."
    return Case(mail.id, title, outcome.matched, f"{verdict.position + 1} {verdict.name}:", said)


def _choose(cases: list[Case]) -> list[Case]:
    """A few of both kinds, newest first, those that match before the others."""
    hits = [case for case in cases if case.matched][: MOST_CASES // 2]
    misses = [case for case in cases if not case.matched][: MOST_CASES - len(hits)]
    return hits + misses
