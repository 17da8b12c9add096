"""Budgets of automatic mail: what goes beyond stops the pair of mailbox and correspondent until a person lets it go on (RELIABILITY C-17).

    take(asked)      in the transaction that hands the mail over: None when it may go, else why not
    list_stopped, release    what a person sees and does

Within a budget nothing is held up. The stop is written to the audit log with its reason; the runs that it holds back say it too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, Select, delete, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.automation.models_loops import Exchange
from webapp.core import live
from webapp.core.actor import Actor
from webapp.core.db import db, is_sqlite
from webapp.core.errors import NotFound
from webapp.core.outside import outside
from webapp.core.paging import Page, PageRequest, keyset
from webapp.core.wording import span
from webapp.mailboxes.models import Mailbox

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LIVE_EVENT = "exchanges-changed"
#: what is quiet for so long is forgotten; longer than a return path of forwarded mail is good
KEPT = timedelta(days=35)
RELEASE = "A person can let it go on under Automate, Stopped mail."
WORDS = {"reply": "answers to", "forward": "forwarded mails of", "target": "forwarded mails to", "return": "reports to"}


@dataclass(frozen=True)
class Budget:
    """So many mails within a window of time."""

    most: int
    window: timedelta


#: answers to one address; answers to one domain together, for responders that change their address; mail of one sender sent on; mail sent
#: on to one address; reports handed back to one sender
REPLIES, REPLIES_TO_DOMAIN = Budget(10, DAY), Budget(100, HOUR)
FORWARDS, FORWARDS_TO = Budget(100, HOUR), Budget(2000, HOUR)
RETURNS = Budget(20, DAY)


@dataclass(frozen=True)
class Asked:
    """One mail is about to go by itself; it counts for one correspondent."""

    kind: str
    correspondent: str
    budget: Budget


def of_reply(person: str) -> list[Asked]:
    return [Asked("reply", person, REPLIES), Asked("reply", f"@{person.rpartition('@')[2]}", REPLIES_TO_DOMAIN)]


def of_forward(sender: str, targets: Sequence[str]) -> list[Asked]:
    """sender  of the mail that is sent on; empty for a report"""
    return [Asked("forward", sender or "<>", FORWARDS), *(Asked("target", target, FORWARDS_TO) for target in targets)]


def of_return(sender: str) -> list[Asked]:
    return [Asked("return", sender, RETURNS)]


def take(mailbox: Mailbox, asked: Sequence[Asked]) -> str | None:
    """Count one mail in the caller's transaction; a sentence when it may not go, because a budget is used up or the pair is stopped.

    The caller hands nothing over then, and lets the transaction be committed, with which the stop counts.
    """
    for one in asked:
        row = _row(mailbox, one.kind, one.correspondent)
        if row.stopped_at is None and _counted(row, one.budget):
            continue
        if row.stopped_at is None:
            _stop(mailbox, row, one.budget)
        return f"Not sent: {row.stopped_why} {RELEASE}"
    return None


def stopped(mailbox: Mailbox, asked: Sequence[Asked]) -> str | None:
    """A sentence when one of these pairs is stopped already; counts nothing."""
    pairs = [(one.kind, one.correspondent) for one in asked]
    query = select(Exchange.stopped_why).where(
        Exchange.mailbox_id == mailbox.id, tuple_(Exchange.kind, Exchange.correspondent).in_(pairs), Exchange.stopped_at.is_not(None)
    )
    why = db.session.scalar(query.limit(1))
    return f"Not sent: {why} {RELEASE}" if why is not None else None


def remember(mailbox: Mailbox, kind: str, correspondent: str) -> None:
    """Note that the pair exists now, without counting anything."""
    _row(mailbox, kind, correspondent).last_at = outside().clock.now()
    db.session.flush()


def _row(mailbox: Mailbox, kind: str, correspondent: str) -> Exchange:
    """The row of a pair, locked."""
    now = outside().clock.now()
    values = {
        "workspace_id": mailbox.workspace_id, "mailbox_id": mailbox.id, "kind": kind, "correspondent": correspondent, "window_at": now,
        "window_count": 0, "last_at": now,
    }  # fmt: skip
    new = (sqlite.insert if is_sqlite() else postgresql.insert)(Exchange).values(**values)
    db.session.execute(new.on_conflict_do_nothing(index_elements=["mailbox_id", "kind", "correspondent"]))
    found = select(Exchange).where(
        Exchange.mailbox_id == mailbox.id, Exchange.kind == kind, Exchange.correspondent == correspondent
    )
    return db.session.scalars(found.with_for_update(), execution_options={"populate_existing": True}).one()


def _counted(row: Exchange, budget: Budget) -> bool:
    """One more, if there is room for it."""
    now = outside().clock.now()
    if now - row.window_at >= budget.window:
        row.window_at, row.window_count = now, 0
    row.last_at = now
    row.window_count += 1
    db.session.flush()
    return row.window_count <= budget.most


def _stop(mailbox: Mailbox, row: Exchange, budget: Budget) -> None:
    within = span(round(budget.window.total_seconds()))
    what = f"{WORDS[row.kind]} {row.correspondent}" if row.correspondent != "<>" else "forwarded reports"
    row.stopped_at = outside().clock.now()
    row.stopped_why = f"{mailbox.email} sent {budget.most:,} {what} within {within}; more would look like a loop, so it is stopped."
    after = {"kind": row.kind, "correspondent": row.correspondent, "reason": row.stopped_why}
    audit.record(Actor.system(mailbox.workspace_id, "loop protection"), "exchange.stop", _target(mailbox), after=after)
    live.notify(mailbox.workspace_id, LIVE_EVENT)
    db.session.flush()


def _target(mailbox: Mailbox) -> Target:
    return Target("mailbox", mailbox.id, mailbox.email)


# --- what a person sees and does -------------------------------------------------------------------------


#: what lists and the answers of the API show of a stopped pair
SHOWN = (
    Exchange.id, Exchange.mailbox_id, Mailbox.email.label("mailbox"), Exchange.kind, Exchange.correspondent, Exchange.stopped_at,
    Exchange.stopped_why.label("reason"),
)  # fmt: skip
Stopped = Row[Any]


def list_stopped(actor: Actor, asked: PageRequest) -> Page[Stopped]:
    """The stopped pairs of the mailboxes that the actor sees, those who began last first."""
    actor.require("logs:read")
    return keyset(_visible(actor), asked, keys=[Exchange.id], scalars=False)


def _visible(actor: Actor) -> Select[Any]:
    query: Any = select(*SHOWN).join(Mailbox, Mailbox.id == Exchange.mailbox_id)
    query = query.where(Exchange.workspace_id == actor.workspace_id, Exchange.stopped_at.is_not(None), Mailbox.deleted_at.is_(None))
    if actor.mailbox_ids is not None:
        query = query.where(Exchange.mailbox_id.in_(actor.mailbox_ids))
    return query if actor.domain_ids is None else query.where(Mailbox.domain_id.in_(actor.domain_ids))


def number_stopped(actor: Actor) -> int:
    """How many pairs are stopped, for the notice above the route log."""
    return db.session.scalar(select(func.count()).select_from(_visible(actor).subquery())) or 0


def release(actor: Actor, stopped_id: int) -> Stopped:
    """Let a stopped pair go on, with its budget as new; returns how it stood. Mail that was held back is not sent by this.

    raises  NotFound
    """
    actor.require("routes:write")
    shown = db.session.execute(_visible(actor).where(Exchange.id == stopped_id)).one_or_none()
    if shown is None:
        raise NotFound(f"There is no stopped pair with the id {stopped_id}.")
    row = db.session.get_one(Exchange, stopped_id, with_for_update=True, populate_existing=True)
    row.stopped_at = row.stopped_why = None
    row.window_at, row.window_count = outside().clock.now(), 0
    db.session.flush()
    before, after = {"stopped": True}, {"stopped": False, "kind": row.kind, "correspondent": row.correspondent}
    audit.record(actor, "exchange.release", Target("mailbox", shown.mailbox_id, shown.mailbox), before=before, after=after)
    live.notify(actor.workspace_id, LIVE_EVENT)
    return shown


def forget_old() -> None:
    """Pairs that were quiet for long and are not stopped."""
    old = Exchange.last_at < outside().clock.now() - KEPT, Exchange.stopped_at.is_(None)
    db.session.execute(delete(Exchange).where(*old))
