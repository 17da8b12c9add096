"""Letters to the owners of a workspace about campaigns that did something by themselves."""

from sqlalchemy import select

from webapp.accounts.models import Membership, User
from webapp.campaigns.models import Campaign
from webapp.core.config import settings
from webapp.core.db import db
from webapp.sending.system_mail import send_system_mail


def paused(campaign: Campaign, why: str) -> None:
    """It stopped because too many mails bounced."""
    text = f"{why} The campaign is paused; nobody gets it twice when you resume it, and nobody more gets it until then."
    _tell(campaign, f"{campaign.name} was paused", text)


def not_started(campaign: Campaign, why: str) -> None:
    """Its time came, and it could not begin."""
    _tell(campaign, f"{campaign.name} was not sent", f"{why} The campaign is a draft again.")


def started_late(campaign: Campaign, why: str) -> None:
    """It began later than it should have."""
    _tell(campaign, f"{campaign.name} began late", why)


def _tell(campaign: Campaign, subject: str, text: str) -> None:
    page = f"{settings().public_url.rstrip('/')}/campaigns/{campaign.id}"
    owners = select(User.email).join(Membership, Membership.user_id == User.id).order_by(User.id)
    for address in db.session.scalars(owners.where(Membership.workspace_id == campaign.workspace_id, Membership.role == "owner")).all():
        send_system_mail(address, subject, f"{text}\n\n{page}\n", workspace_id=campaign.workspace_id)
