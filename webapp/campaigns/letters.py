"""From rows to letters: the campaign as `mail.letter` takes it, and a contact as a person to whom it is filled in."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from sqlalchemy import select

from webapp.accounts.models import Workspace
from webapp.campaigns import mail_way, marks
from webapp.campaigns.models import Campaign, CampaignLink
from webapp.contacts.models import Contact, CustomField
from webapp.core.config import settings
from webapp.core.db import db
from webapp.mail.letter.model import CONTACT_FIELDS, Letter, Person

#: key of the workspace's settings: the postal address in the footer
POSTAL = "postal_address"


def letter_of(campaign: Campaign | SimpleNamespace, *, known_links: Iterable[str] | None = None) -> Letter:
    """The letter of a campaign, or of what looks like one and is not saved yet.

    known_links  targets that have a number already; read from the table where they are not given
    """
    workspace = db.session.get_one(Workspace, campaign.workspace_id)
    links = tuple(links_of(campaign.id) if known_links is None else known_links) if campaign.id else ()
    made = campaign.created_at
    return Letter(
        subject=campaign.subject, html=campaign.body_html, from_email=campaign.from_email, from_name=campaign.from_name or "",
        reply_to=campaign.reply_to, body_format=campaign.body_format, text=campaign.body_text, preheader=campaign.preheader,
        key=f"c{campaign.id or 0}-{int(made.timestamp()) if made else 0:x}", base_url=settings().public_url.rstrip("/"),
        workspace_name=workspace.name, campaign_name=campaign.name, links=links, custom_keys=custom_keys(campaign.workspace_id),
        track_opens=campaign.track_opens, track_clicks=campaign.track_clicks, web_view=campaign.web_view,
        unsubscribe_mailto=mail_way.address(campaign.mailbox_id if campaign.id else None),
        feedback_id=f"{campaign.id or 0}:{campaign.workspace_id}:campaign:mailroom",
        postal_address=str((workspace.settings or {}).get(POSTAL) or ""),
    )  # fmt: skip


def links_of(campaign_id: int) -> list[str]:
    """Targets of tracked links in the order of their numbers, which begin with 1 and have no gaps."""
    query = select(CampaignLink.url).where(CampaignLink.campaign_id == campaign_id).order_by(CampaignLink.number)
    return list(db.session.scalars(query))


def custom_keys(workspace_id: int) -> frozenset[str]:
    """Keys of the custom fields that a workspace has."""
    return frozenset(db.session.scalars(select(CustomField.key).where(CustomField.workspace_id == workspace_id)))


def person_of(contact: Contact | Any, token: str) -> Person:
    """A contact as the letter sees it. token: `marks.token(campaign_id, contact_id)`"""
    values = {name: getattr(contact, name) for name in CONTACT_FIELDS}
    values.update({f"custom.{key}": value for key, value in (contact.custom_fields or {}).items()})
    return Person(email=contact.address, values=values, number=contact.id, token=token, name=contact.name or "")


#: who a preview is for where no contact is chosen; a reserved domain (RFC 2606)
SAMPLE = {
    "name": "Ada Lovelace", "first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com", "company": "Analytical Engines",
    "phone": "+44 20 7946 0018", "job_title": "Mathematician", "street": "12 St James's Square", "city": "London", "state": "",
    "postal_code": "SW1Y 4JH", "country": "United Kingdom",
}  # fmt: skip


def nobody(campaign_id: int, email: str = "ada@example.com", *, contact: Contact | None = None) -> Person:
    """For previews and test copies: the values of a contact, or made-up ones, with a mark that counts and changes nothing."""
    token = marks.token(campaign_id, marks.NOBODY)
    if contact is None:
        return Person(email=email, values={**SAMPLE, "email": email}, token=token)
    return person_of(contact, token)._replace(email=email, number=marks.NOBODY)
