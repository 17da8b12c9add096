"""The ears: messages ask here what became of a sent mail, and accounts hand their letters in."""

from flask import Flask

from webapp.accounts import letters
from webapp.core import events
from webapp.messages import timeline
from webapp.sending import domain_mail, limit_mail, story, system_mail


@events.listen("mailbox_limit")
def warn_of_limit(warning_id: int) -> None:
    """A limit of a mailbox is nearly or wholly used up: in the transaction that marks the warning as told."""
    limit_mail.tell(warning_id)


@events.listen("domain_unverified")
def tell_of_lost_proof(domain_id: int) -> None:
    """The owners hear that a domain counts as unproven again."""
    domain_mail.tell_unverified(domain_id)


def init_app(app: Flask) -> None:
    if story.steps not in timeline.timeline_sources:
        timeline.timeline_sources.append(story.steps)
        timeline.why_sources.append(story.clause)
    letters.post.send = system_mail.send_system_mail
