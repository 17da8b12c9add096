"""The background door: orders over many rows go on here, a batch per transaction, with the rights that their giver has now."""

import time
from datetime import timedelta

from sqlalchemy import delete, select

from webapp.accounts import persons
from webapp.accounts.models import User
from webapp.core import leases
from webapp.core.actor import Actor
from webapp.core.db import database_now, db, utcnow
from webapp.core.errors import HouseError
from webapp.core.queue import drain, every
from webapp.picks import service
from webapp.picks.models import UNFINISHED, PickChange

LEASE_S = 60.0
KEPT = timedelta(days=30)


def is_due() -> bool:
    free = leases.free(PickChange, database_now())
    return db.session.scalar(select(PickChange.id).where(UNFINISHED, free).limit(1)) is not None


@drain(service.DRAIN, queue="default", due=is_due)
def work_off(until: float) -> bool:
    """Carry orders on until the time is used."""
    while time.monotonic() < until:
        owner = leases.new_owner()
        ids = leases.claim(PickChange, UNFINISHED, limit=1, lease_s=LEASE_S, order=PickChange.id, owner=owner)
        db.session.commit()
        if not ids:
            return True
        _carry_on(ids[0], owner, until)
    return False


def _carry_on(change_id: int, owner: str, until: float) -> None:
    while time.monotonic() < until:
        change = db.session.get(PickChange, change_id, with_for_update=True, populate_existing=True)
        if change is None or change.lease_owner != owner:
            db.session.rollback()
            return
        actor = _giver(change)
        try:
            finished = actor is None or service.work_off(actor, change, service.BATCH)
        except HouseError as refused:
            db.session.rollback()
            change, actor = db.session.get_one(PickChange, change_id), None
            change.problem = refused.message
            finished = True
        if actor is None:
            service.finish(change, "Whoever gave this order may not do it any more.")
        db.session.commit()
        if finished:
            return
        leases.extend(PickChange, [change_id], owner, LEASE_S)
        db.session.commit()
    leases.extend(PickChange, [change_id], owner, -1.0)
    db.session.commit()


def _giver(change: PickChange) -> Actor | None:
    """The person with the rights of now; None when they left."""
    user = db.session.get(User, change.user_id) if change.user_id else None
    place = persons.find_place(user.id, change.workspace_id) if user else None
    if user is None or place is None:
        return None
    return persons.actor_for(user, change.workspace_id, place.role, ip=change.ip, request_id=change.request_id)


@every(3600, "picks.forget")
def forget_old() -> None:
    """What was ordered can be undone for 30 days."""
    old = delete(PickChange).where(PickChange.finished_at < utcnow() - KEPT)
    db.session.execute(old, execution_options={"synchronize_session": False})
