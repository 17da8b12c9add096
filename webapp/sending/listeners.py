"""The ears: messages ask here what became of a sent mail, and accounts hand their letters in."""

from flask import Flask

from webapp.accounts import letters
from webapp.contacts import portrait
from webapp.core import events
from webapp.messages import timeline
from webapp.sending import domain_mail, forgetting, limit_mail, story, system_mail


@events.listen("mailbox_limit")
def warn_of_limit(warning_id: int) -> None:
    """A limit of a mailbox is nearly or wholly used up: in the transaction that marks the warning as told."""
    limit_mail.tell(warning_id)


@events.listen("domain_unverified")
def tell_of_lost_proof(domain_id: int) -> None:
    """The owners hear that a domain counts as unproven again."""
    domain_mail.tell_unverified(domain_id)


@events.listen("contacts_merged")
def follow_contact(workspace_id: int, source_id: int, target_id: int) -> None:
    """Copies of campaigns belong to the contact that stayed."""
    forgetting.merged(workspace_id, source_id, target_id)


@events.listen("contact_erased")
def forget_contact(workspace_id: int, contact_id: int, address: str, with_messages: bool, counts: dict[str, int]) -> None:
    """The ledger forgets to whom it was."""
    forgetting.erased(workspace_id, address, with_messages, counts)


def init_app(app: Flask) -> None:
    portrait.more["deliveries"] = forgetting.told
    if story.steps not in timeline.timeline_sources:
        timeline.timeline_sources.append(story.steps)
        timeline.why_sources.append(story.clause)
    letters.post.send = system_mail.send_system_mail
