"""The one blueprint of campaigns, which the modules beside it fill, and how a row is made ready to be shown."""

from typing import Any

from webapp.campaigns import numbers
from webapp.campaigns.models import Campaign
from webapp.core.paging import Page
from webapp.core.rest import Blueprint

blp = Blueprint("api_campaigns", __name__, url_prefix="/api/v1", description="Campaigns: one letter to many people")
#: which rate limit counts for what makes mail leave or stop
SENDS = "campaign_sends"


def shown(campaign: Campaign) -> Campaign:
    """With its numbers beside it, as the shapes expect."""
    return _beside([campaign])[0]


def shown_page(page: Page[Campaign]) -> Page[Campaign]:
    page.items = _beside(page.items)
    return page


def _beside(campaigns: list[Campaign]) -> list[Any]:
    found = numbers.read(campaigns)
    for campaign in campaigns:
        campaign.numbers = found[campaign.id]  # type: ignore[attr-defined]  # beside the columns, for this answer alone
    return campaigns
