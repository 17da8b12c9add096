"""Routes of a mail that was let out of quarantine: a new round, so that the log keeps what was held back before."""

from sqlalchemy import func, select

from webapp.automation import runs
from webapp.automation.models_runs import RoutePlan, Run
from webapp.core import live
from webapp.core.actor import Actor
from webapp.core.db import db, utcnow
from webapp.mailboxes.models import Mailbox
from webapp.messages.models import Message


def plan(actor: Actor, message: Message) -> bool:
    """Let the routes look at it in the transaction of the release; returns whether filing has to wait for them."""
    routes = runs.candidates(message.mailbox_id, message.direction) if message.mailbox_id is not None else []
    if not routes or message.mailbox_id is None:
        return False
    mailbox = db.session.get_one(Mailbox, message.mailbox_id)
    logged = db.session.scalar(select(func.max(Run.round)).where(Run.message_id == message.id))
    planned = db.session.scalar(select(func.max(RoutePlan.round)).where(RoutePlan.message_id == message.id))
    round = max(-1 if logged is None else logged, -1 if planned is None else planned) + 1
    live.notify(message.workspace_id, runs.LIVE_EVENT)
    if reason := runs.standstill(message, mailbox):
        for route in routes:
            runs.add_run(message, mailbox.id, route, round, status=reason[0], error=reason[1], finished_at=utcnow())
        return False
    held = runs.any_absorbs(routes)
    runs.add_plan(message, round, held=held, request_id=actor.request_id)
    return held
