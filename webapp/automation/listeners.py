"""The ears: mail that a mailbox sends runs its outgoing routes; messages ask here what routes did with them."""

from flask import Flask

from webapp.automation import runs, story
from webapp.core import events
from webapp.core.db import db
from webapp.messages import timeline
from webapp.messages.models import Message


@events.listen("mail_submitted")
def plan_outgoing(message_id: int) -> None:
    """In the transaction of the submission: the outgoing routes of the mailbox are due."""
    message = db.session.get(Message, message_id)
    if message is not None:
        runs.plan(message)


def init_app(app: Flask) -> None:
    if story.steps not in timeline.timeline_sources:
        timeline.timeline_sources.append(story.steps)
        timeline.why_sources.append(story.clause)
