"""Evaluating the routes of mails that wait: plan ──> which routes match ──> one run for each that does.

    claim plans, commit ─> read mail and routes ─> judge, no transaction open ─> write runs, file or absorb the mail (`outcomes`), commit

A user's pattern may take its second: nothing is locked meanwhile. Plans whose worker died are taken one at a time from then on, so that a
mail which kills workers is found alone, and parked after the third time (RELIABILITY C-26).
"""

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, select, update

from webapp.automation import matching, outcomes
from webapp.automation.loaded_routes import LoadedRoute, load_routes
from webapp.automation.mail_state import view_of
from webapp.automation.models import Route
from webapp.automation.models_runs import MOST_DEATHS, RoutePlan
from webapp.automation.outcomes import Judged, Work
from webapp.automation.planning import WAYS
from webapp.core import failpoints, leases
from webapp.core.db import database_now, db, reading
from webapp.mailboxes.models import Mailbox
from webapp.messages import raws
from webapp.messages.models import Message

log = logging.getLogger("mailroom.automation")
#: plans, and bytes of source, of one batch; one mail alone may be larger
BATCH, BATCH_BYTES = 100, 8 * 1024 * 1024
LEASE_S = 60.0
PAUSE_S = 10.0
Key = tuple[int, str, int | None]


def has_due() -> bool:
    return db.session.scalar(select(RoutePlan.id).where(leases.free(RoutePlan, database_now())).limit(1)) is not None


def work(until: float) -> bool:
    """Evaluate plans until the time is up; True when none is left."""
    while time.monotonic() < until:
        owner = leases.new_owner()
        ids = _claim(owner)
        if not ids:
            return True
        if not _work_batch(ids, owner, until):
            return False
    return False


def _give_back(ids: list[int], owner: str) -> None:
    """The time is up: whoever comes next takes these at once."""
    free = update(RoutePlan).where(RoutePlan.id.in_(ids), RoutePlan.lease_owner == owner)
    db.session.execute(free.values(lease_until=None, deaths=RoutePlan.deaths - 1), execution_options={"synchronize_session": False})
    db.session.commit()


def _claim(owner: str) -> list[int]:
    """Plans that nobody died over, or one that somebody did; committed."""
    ids = _free(RoutePlan.deaths == 0, BATCH) or _free(RoutePlan.deaths > 0, 1)
    if ids:
        lease = {"lease_until": database_now() + timedelta(seconds=LEASE_S), "lease_owner": owner}
        held = update(RoutePlan).where(RoutePlan.id.in_(ids)).values(deaths=RoutePlan.deaths + 1, **lease)
        db.session.execute(held, execution_options={"synchronize_session": False})
        failpoints.hit("evaluate.before_claim_commit")
    db.session.commit()
    failpoints.hit("evaluate.claimed")
    return ids


def _free(which: ColumnElement[bool], most: int) -> list[int]:
    """The oldest that wait, as many as may be held in memory at once, locked."""
    query = select(RoutePlan.id, Message.size_bytes).join(Message, Message.id == RoutePlan.message_id)
    query = query.where(which, leases.free(RoutePlan, database_now())).order_by(RoutePlan.id).limit(most)
    ids: list[int] = []
    held = 0
    for row in db.session.execute(query.with_for_update(skip_locked=True, of=RoutePlan)):
        held += row.size_bytes
        if ids and held > BATCH_BYTES:
            break
        ids.append(row.id)
    return ids


def _work_batch(ids: list[int], owner: str, until: float) -> bool:
    """Judge each, record all in one transaction; False when the time was up before the last one."""
    ready: list[Work] = []
    try:
        for number, work in enumerate(_load(ids)):
            if number and time.monotonic() >= until:
                _give_back([left for left in ids if left not in {done.plan.id for done in ready}], owner)
                break
            work.judged = _judged(work)
            ready.append(work)
        failpoints.hit("evaluate.judged")
        outcomes.record(ready, owner)
        failpoints.hit("evaluate.before_commit")
        db.session.commit()
        failpoints.hit("evaluate.committed")
    except Exception:
        log.exception("evaluating a batch failed; each is tried by itself", extra={"plans": len(ids)})
        db.session.rollback()
        for plan_id in ids:
            _alone(plan_id, owner)
    return len(ids) == 1 or time.monotonic() < until


def _alone(plan_id: int, owner: str) -> None:
    """A bug in one plan must not stop the others."""
    try:
        works = _load([plan_id])
        for work in works:
            work.judged = _judged(work)
        outcomes.record(works, owner)
        db.session.commit()
    except Exception:
        log.exception("evaluation failed", extra={"plan_id": plan_id})
        _pause(plan_id, owner)


def _pause(plan_id: int, owner: str) -> None:
    """What went wrong comes back, alone, and is parked after the third time."""
    db.session.rollback()
    pause = {"lease_until": database_now() + timedelta(seconds=PAUSE_S)}
    db.session.execute(update(RoutePlan).where(RoutePlan.id == plan_id, RoutePlan.lease_owner == owner).values(pause))
    db.session.commit()


def _load(ids: Sequence[int]) -> list[Work]:
    """Everything in one reading transaction, which is over when this returns; five queries however many they are."""
    query = select(RoutePlan, Message, Mailbox).join(Message, Message.id == RoutePlan.message_id)
    query = query.join(Mailbox, Mailbox.id == RoutePlan.mailbox_id).where(RoutePlan.id.in_(ids)).order_by(RoutePlan.id)
    with reading():
        rows = db.session.execute(query, execution_options={"populate_existing": True}).all()
        routes = _routes({_key(plan, message) for plan, message, _ in rows})
        sources = raws.load_many({message.raw_id for _, message, _ in rows})
        db.session.commit()
    return [Work(plan, message, box, routes[_key(plan, message)], sources[message.raw_id]) for plan, message, box in rows]


def _key(plan: RoutePlan, message: Message) -> Key:
    return plan.mailbox_id, message.direction, plan.route_id


def _routes(keys: Iterable[Key]) -> dict[Key, list[LoadedRoute]]:
    """The enabled routes for several (mailbox, direction of the mail, the only route that is asked for), in the order in which they run."""
    wanted = set(keys)
    query = select(Route).where(Route.mailbox_id.in_({key[0] for key in wanted}), Route.deleted_at.is_(None), Route.enabled.is_(True))
    rows = list(db.session.scalars(query.order_by(Route.position, Route.id), execution_options={"populate_existing": True}))
    loaded = {route.id: route for route in load_routes(rows)}
    return {
        key: [loaded[r.id] for r in rows if r.mailbox_id == key[0] and r.direction in WAYS[key[1]] and key[2] in (None, r.id)]
        for key in wanted
    }


def _judged(work: Work) -> list[Judged]:
    return judge(work) if work.plan.deaths <= MOST_DEATHS else _parked(work)


def judge(found: Work) -> list[Judged]:
    """Walk through the routes in their order; touches no database."""
    message = found.message
    mail = view_of(
        found.raw, envelope_sender=message.envelope_sender, envelope_recipients=message.envelope_recipients, direction=message.direction,
        verdict=message.auth_verdict,
    )  # fmt: skip
    found.subject, found.sender = mail.subject, mail.sender.email
    judged: list[Judged] = []
    stopped_by: str | None = None
    for route in found.routes:
        if stopped_by is not None:
            judged.append(Judged(route, None, f"The route “{stopped_by}” matched before and stops the walk."))
            continue
        outcome = matching.evaluate(route.rules, route.match_type, mail)
        judged.append(Judged(route, outcome, outcome.error, failed=outcome.error is not None))
        if outcome.matched and route.stop_on_match:
            stopped_by = route.name
    return judged


def _parked(found: Work) -> list[Judged]:
    reason = f"Parked: evaluating the rules on this mail ended the worker {MOST_DEATHS} times. The mail was filed without routes."
    return [Judged(route, None, reason, failed=True) for route in found.routes]
