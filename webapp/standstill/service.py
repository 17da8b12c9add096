"""Standing still: nothing leaves an installation whose database came from elsewhere, until somebody says that this is the only copy.

    a part starts, or a minute has passed ─> look: marks as kept? ─ yes ─> go on
                                                                  └ no ──> still_since is set, audited; `queue.brakes` hold
    page or command: "this is the only copy now" ─> the marks of here are kept, audited; what waited is rung for

A restored backup would otherwise send, a second time, whatever the original has sent since (RELIABILITY C-34).
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from webapp.accounts.models import Workspace
from webapp.audit import service as audit
from webapp.audit.service import Target
from webapp.core import events, live, queue
from webapp.core.actor import Actor
from webapp.core.config import settings
from webapp.core.db import database_now, db, fresh_session, is_sqlite, reading
from webapp.core.errors import Forbidden, InvalidState
from webapp.standstill import memory, place
from webapp.standstill.models import ONLY, Installation
from webapp.standstill.place import Marks, Verdict

log = logging.getLogger("mailroom.standstill")
SCOPE = "health:read"
#: how often a process looks where the database lies, and how long it believes what it read of the row, in seconds
LOOK_S, BELIEVE_S = 60.0, 0.5
LIVE_EVENT = "standstill-changed"
BY_HAND = "Somebody stopped it by hand."


@dataclass(frozen=True)
class Still:
    """Since when nothing leaves, and why."""

    since: datetime
    why: str


def is_on() -> bool:
    """Whether nothing leaves. Looks where the database lies when this process has not for a minute. Ends the current transaction."""
    known = memory.of_process()
    if time.monotonic() - known.looked_at > LOOK_S:
        look()
    with reading():
        found = stands()
        db.session.rollback()
    return found


def stands() -> bool:
    """The same for somebody who reads: no look, and the current transaction goes on. Asks the database twice a second at most."""
    known = memory.of_process()
    if time.monotonic() - known.read_at > BELIEVE_S:
        known.still = read() is not None
        known.read_at = time.monotonic()
    return known.still


def read() -> Still | None:
    """Since when and why, or None while everything goes its way; within the current transaction."""
    found = db.session.execute(select(Installation.still_since, Installation.still_why).where(Installation.id == ONLY)).one_or_none()
    return Still(found.still_since, found.still_why or "") if found is not None and found.still_since is not None else None


def compare() -> Verdict:
    """What a look would find; changes nothing."""
    kept = db.session.scalar(select(Installation.place).where(Installation.id == ONLY))
    return Verdict("same") if kept is None else place.judge(Marks.read(kept), place.observe())


def look() -> Still | None:
    """Compare the place of the database with the one that was kept; stand still when it is another one. Commits by itself.

    returns since when nothing leaves, if so. Before the schema is there, and while the database does not answer, nothing is done.
    """
    known = memory.of_process()
    try:
        with reading():
            found = db.session.execute(select(Installation.place).where(Installation.id == ONLY)).one_or_none()
            seen = place.observe()
            db.session.rollback()
        if found is None or Marks.read(found.place) != seen:
            with fresh_session():
                _note(seen)
        known.looked_at = time.monotonic()
        with reading():
            still = read()
            db.session.rollback()
    except DBAPIError as error:
        db.session.rollback()
        log.debug("cannot look where the database lies: %s", error)
        return None
    known.still, known.read_at = still is not None, time.monotonic()
    return still


def _note(seen: Marks) -> None:
    """Under the lock of the row: what is so may have been noted by another process meanwhile."""
    now = database_now()
    insert: Any = sqlite.insert if is_sqlite() else postgresql.insert
    first = insert(Installation).values(id=ONLY, place=seen.as_json(), placed_at=now)
    db.session.execute(first.on_conflict_do_nothing(index_elements=["id"]))
    row = _locked()
    verdict = place.judge(Marks.read(row.place), seen)
    if verdict.kind == "moved":
        row.place, row.placed_at = seen.as_json(), now
    elif verdict.kind == "elsewhere" and row.still_since is None:
        _begin(row, Actor.system(_first_workspace()), verdict.why)
        log.warning("sending stands still: %s Say on the dashboard, or with `python app.py standstill end`, that this is the only copy.",
                    verdict.why)  # fmt: skip


def _locked() -> Installation:
    query = select(Installation).where(Installation.id == ONLY).with_for_update()
    return db.session.execute(query.execution_options(populate_existing=True)).scalar_one()


def _begin(row: Installation, actor: Actor, why: str) -> None:
    row.still_since, row.still_why = database_now(), why
    audit.record(actor, "installation.stop", _target(), after={"sending": "stands still", "why": why})
    live.notify(actor.workspace_id, LIVE_EVENT)
    _forget()


def _target() -> Target:
    return Target("installation", None, settings().hostname)


def _forget() -> None:
    """What this process read is not true any more once the transaction is committed."""
    known = memory.of_process()
    queue.after_commit("standstill", lambda: setattr(known, "read_at", float("-inf")))


def _first_workspace() -> int:
    """The workspace that the installation was set up with, 0 before there is one."""
    query = select(Workspace.id).where(Workspace.deleted_at.is_(None)).order_by(Workspace.id).limit(1)
    return db.session.scalar(query) or 0


def runs_it(actor: Actor) -> bool:
    """Whether this actor's workspace is the one that the installation was set up with; its admins look after the machine."""
    return actor.workspace_id == _first_workspace()


def begin(actor: Actor, why: str = "") -> Still:
    """Stop everything that leaves, by hand: before a copy is started, or while something is looked into. raises Forbidden, InvalidState"""
    _require(actor)
    _keep_first()
    row = _locked()
    if row.still_since is not None:
        raise InvalidState("Sending stands still already.")
    _begin(row, actor, why.strip() or BY_HAND)
    db.session.flush()
    return Still(row.still_since or database_now(), row.still_why or "")


def end(actor: Actor) -> None:
    """This is the only copy now: keep the marks of here, and let everything go on.

    raises Forbidden for whoever does not look after the installation, InvalidState when nothing stands still
    """
    _require(actor)
    _keep_first()
    row = _locked()
    if row.still_since is None:
        raise InvalidState("Sending does not stand still.")
    before = {"sending": "stands still", "why": row.still_why}
    row.place, row.placed_at, row.still_since, row.still_why = place.observe().as_json(), database_now(), None, None
    db.session.flush()
    audit.record(actor, "installation.go_on", _target(), before=before, after={"sending": "goes on", "why": None})
    events.send("installation_goes_on")
    for item in queue.drains.values():
        if item.leaves:
            queue.ring(item.name)
    live.notify(actor.workspace_id, LIVE_EVENT)
    _forget()


def _keep_first() -> None:
    """The row, where no process has looked yet."""
    insert: Any = sqlite.insert if is_sqlite() else postgresql.insert
    first = insert(Installation).values(id=ONLY, place=place.observe().as_json(), placed_at=database_now())
    db.session.execute(first.on_conflict_do_nothing(index_elements=["id"]))


def may_end(actor: Actor) -> bool:
    """Whether this actor looks after the installation."""
    return actor.may(SCOPE) and (actor.workspace_id == 0 or runs_it(actor))


def _require(actor: Actor) -> None:
    actor.require(SCOPE)
    if not may_end(actor):
        raise Forbidden("Only admins of the workspace that the installation was set up with may do that.",
                        hint="Or whoever runs the server: python app.py standstill end")  # fmt: skip


def worries() -> Iterator[str]:
    """For /readyz, in half a sentence."""
    if read() is not None:
        yield "sending stands still, since the database came from elsewhere or somebody stopped it"
