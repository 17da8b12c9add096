"""What has to be right before the first copy goes, and what is written then: the mail that all copies belong to, frozen audience, event."""

from datetime import datetime
from email.message import EmailMessage
from typing import Any

from webapp.campaigns import audience, checks, compiling, tallies
from webapp.campaigns.models import Campaign, CampaignLink
from webapp.core.actor import Actor
from webapp.core.db import database_now, db
from webapp.core.errors import invalid
from webapp.happenings import stream
from webapp.mail.letter.model import LetterError
from webapp.mailboxes.models import Mailbox
from webapp.messages import store
from webapp.sending.models import Outgoing

#: how long the estimate of the audience may take at the start, in seconds: the first copy waits for it
ESTIMATE_S = 0.04
#: field of the letter -> field of the API
FIELDS = {"html": "body_html", "text": "body_text"}


def require_time(at: datetime | None) -> None:
    """raises Invalid without a time"""
    if at is None:
        raise invalid("schedule_at", "Write when it is to be sent, as ISO 8601 with a zone, such as 2026-09-14T09:00:00Z.")


def require_sender(actor: Actor, campaign: Campaign) -> None:
    """raises Invalid when something is missing, its account may not send now, or its sender is not verified (any more)"""
    checks.require_ready(campaign)
    checks.sender(actor, campaign.from_email, campaign.mailbox_id)


def start(actor: Actor, campaign: Campaign) -> None:
    """Begin to send; the row is locked, its state allows it. raises Invalid"""
    require_sender(actor, campaign)
    last = audience.last_id(campaign.workspace_id)
    if not audience.has_anyone(campaign, last):
        text = "Nobody in these groups and segments can get it: they are empty, or everybody is excluded, unsubscribed or unreachable."
        raise invalid("recipient_groups", text)
    message_id = number_links(campaign)
    now = database_now()
    campaign.outgoing_id = _mail_of(campaign, message_id, actor.request_id).id
    campaign.state, campaign.started_at, campaign.schedule_at = "sending", now, None
    campaign.audience_position, campaign.audience_last_id, campaign.is_expanded = 0, last, False
    campaign.skipped_count = 0
    campaign.recipients_count = max(1, audience.count(campaign, ESTIMATE_S)[0])
    db.session.flush()
    stream.note(
        "campaign.sent", workspace_id=campaign.workspace_id, at=now, campaign_id=campaign.id, outgoing_id=campaign.outgoing_id,
        mailbox_id=campaign.mailbox_id,
        details={"name": campaign.name, "subject": campaign.subject, "recipients": campaign.recipients_count},
    )  # fmt: skip


def number_links(campaign: Campaign) -> str:
    """Give each target in the letter a number that it keeps; returns the Message-ID of no copy. raises Invalid for a bad letter"""
    try:
        letter, compiled = compiling.fresh(campaign)
    except LetterError as error:
        first = error.problems[0]
        raise invalid(FIELDS.get(first.place, first.place), str(first)) from None
    for number, url in enumerate(compiled.links[len(letter.links) :], len(letter.links) + 1):
        db.session.add(CampaignLink(campaign_id=campaign.id, number=number, url=url))
    db.session.flush()
    return compiled.message_id(0)


def watch_from_now(campaign: Campaign) -> None:
    """The bounce rate counts from here."""
    campaign.watched_tried, campaign.watched_bounced = tallies.tried(campaign)


def _mail_of(campaign: Campaign, message_id: str, request_id: str | None) -> Outgoing:
    """The mail that all copies belong to; its source is the letter before it is filled in."""
    mailbox = db.session.get_one(Mailbox, campaign.mailbox_id)
    source: Any = EmailMessage()
    source["Subject"], source["From"] = " ".join(campaign.subject.split()), campaign.from_email
    source.set_content(campaign.body_text or "")
    source.add_alternative(campaign.body_html, subtype="html")
    raw = store.store_raw(source.as_bytes())
    mail = Outgoing(
        workspace_id=campaign.workspace_id, mailbox_id=campaign.mailbox_id, message_id=None, raw_id=raw.id, envelope_sender=mailbox.email,
        from_address=campaign.from_email, subject=campaign.subject, message_id_header=message_id.strip("<>"), size_bytes=raw.size_bytes,
        stream="bulk", kind="campaign", source_type="campaign", source_id=campaign.id, request_id=request_id, recipient_count=0,
    )  # fmt: skip
    db.session.add(mail)
    db.session.flush()
    return mail
