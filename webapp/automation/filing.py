"""The end of a run, and what becomes of the mail: into its folder, or into the archive alone (DESIGN section 5 "Delivery and routes")."""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from webapp.automation.models import Route
from webapp.automation.models_runs import FINAL, RouteDay, Run
from webapp.core import events
from webapp.core.db import db, is_sqlite, utcnow
from webapp.happenings import stream
from webapp.messages import store
from webapp.messages.models import Message


def finish(run: Run, status: str, message: Message | None) -> None:
    """Close a run: its last status, the numbers of its route, and the mail that waited for it."""
    run.status, run.finished_at, run.next_attempt_at = status, utcnow(), None
    run.lease_until = run.lease_owner = None
    run.deaths = 0
    db.session.flush()
    if run.route_id is not None and run.matched is not False and status in ("success", "failed"):
        _note(run)
    if not run.is_test and run.matched:
        _tell(run)
    if run.holds_mail and message is not None:
        _let_go(run, message)
    events.send("run_finished", run_id=run.id)


def _tell(run: Run) -> None:
    """Its line in the event stream."""
    details = {"run_id": run.id, "route_id": run.route_id, "route": run.route_name, "status": run.status}
    stream.note(
        "route.ran", workspace_id=run.workspace_id, message_id=run.message_id, mailbox_id=run.mailbox_id, recipient=run.recipient or None,
        details=details,
    )  # fmt: skip


def _note(run: Run) -> None:
    """Last run and today's number of the route; test mails do not count."""
    if run.is_test:
        return
    values = {"last_run_at": run.finished_at, "last_status": run.status, "updated_at": Route.updated_at}
    db.session.execute(update(Route).where(Route.id == run.route_id).values(values), execution_options={"synchronize_session": False})
    insert: Any = (sqlite.insert if is_sqlite() else postgresql.insert)(RouteDay)
    row = insert.values(route_id=run.route_id, day=utcnow().date(), status=run.status, number=1)
    db.session.execute(row.on_conflict_do_update(index_elements=["route_id", "day", "status"], set_={"number": RouteDay.number + 1}))


def absorb(message: Message, round: int) -> None:
    """Keep a mail out of its folder, whatever other routes of this round still do."""
    store.absorb(message)
    held = update(Run).where(Run.message_id == message.id, Run.round == round, Run.holds_mail.is_(True))
    db.session.execute(held.values(holds_mail=False))


def _let_go(run: Run, message: Message) -> None:
    """File the mail once the last run that might have absorbed it is done."""
    run.holds_mail = False
    db.session.flush()
    others = select(Run.id).where(
        Run.message_id == message.id, Run.round == run.round, Run.holds_mail.is_(True), Run.status.not_in(FINAL), Run.id != run.id
    )
    if db.session.scalar(others.limit(1)) is None:
        store.file_message(message)
