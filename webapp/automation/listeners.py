"""The ears: mail that a mailbox sends runs its outgoing routes; messages ask here what routes did with them."""

from typing import Any

from flask import Flask
from sqlalchemy import func, select

from webapp.automation import runs, story
from webapp.automation.models import Route
from webapp.core import events
from webapp.core.db import db
from webapp.mailboxes import contents
from webapp.messages import timeline
from webapp.messages.models import Message


@events.listen("mail_submitted")
def plan_outgoing(message_id: int) -> None:
    """In the transaction of the submission: the outgoing routes of the mailbox are due."""
    message = db.session.get(Message, message_id)
    if message is not None:
        runs.plan(message)


def count_routes(mailbox_ids: Any) -> int:
    """Living routes of the mailboxes whose ids a SELECT gives."""
    query = select(func.count()).where(Route.mailbox_id.in_(select(mailbox_ids.subquery().c.id)), Route.deleted_at.is_(None))
    return db.session.scalar(query) or 0


def init_app(app: Flask) -> None:
    contents.add(contents.Content("route", "routes", count_routes))
    if story.steps not in timeline.timeline_sources:
        timeline.timeline_sources.append(story.steps)
        timeline.why_sources.append(story.clause)
