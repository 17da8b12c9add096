"""A row made ready to be shown: with its numbers beside it, as the shapes expect."""

from typing import Any

from webapp.campaigns import numbers
from webapp.campaigns.models import Campaign
from webapp.core.paging import Page


def shown(campaign: Campaign) -> Campaign:
    """With `numbers` beside its columns."""
    return _beside([campaign])[0]


def shown_page(page: Page[Campaign]) -> Page[Campaign]:
    """The same for a list, in one query."""
    page.items = _beside(page.items)
    return page


def _beside(campaigns: list[Campaign]) -> list[Any]:
    found = numbers.read(campaigns)
    for campaign in campaigns:
        campaign.numbers = found[campaign.id]  # type: ignore[attr-defined]  # beside the columns, for this answer alone
    return campaigns
