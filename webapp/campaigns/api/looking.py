"""What is asked before and after sending: previews, how many it would reach, statistics, recipients, sending accounts."""

from typing import Any

from flask.views import MethodView

from webapp.campaigns import accounts, charts, reach, recipients, service, stats, trials
from webapp.campaigns.api.blueprint import blp
from webapp.campaigns.schemas import (
    AccountOut,
    AccountQuery,
    AudienceIn,
    AudienceOut,
    CampaignReport,
    PreviewIn,
    PreviewOut,
    RecipientOut,
    RecipientQuery,
)
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest

#: receiving domains in a report
MOST_DOMAINS = 100


@blp.route("/campaigns/preview")
class Previews(MethodView):
    @blp.needs("campaigns:read")
    @blp.arguments(PreviewIn)
    @blp.response(200, PreviewOut)
    def post(self, given: dict[str, Any]) -> Any:
        """Render a letter for one contact, or for a made-up person; nothing is saved."""
        return trials.look(current_actor(), given)


@blp.route("/campaigns/count")
class Count(MethodView):
    @blp.needs("campaigns:read")
    @blp.arguments(AudienceIn)
    @blp.response(200, AudienceOut)
    def post(self, given: dict[str, Any]) -> Any:
        """Say how many people groups and segments, minus exclusions, would reach now."""
        return reach.count(current_actor(), given)


@blp.route("/campaigns/<int:campaign_id>/stats")
class Statistics(MethodView):
    @blp.needs("campaigns:read")
    @blp.response(200, CampaignReport)
    def get(self, campaign_id: int) -> Any:
        """Show what became of it: counts, rates, links, domains, and how it went over time."""
        campaign = service.get_campaign(current_actor(), campaign_id)
        found = stats.report(campaign)
        return {
            "campaign_id": campaign.id, "status": campaign.state, "recipients_count": campaign.recipients_count,
            "recipients_count_is_estimate": not campaign.is_expanded, "stats": found["stats"].numbers, "rates": found["rates"],
            "links": found["links"], "timeline": found["spans"], "domains": charts.domains(campaign, MOST_DOMAINS)["rows"],
            "as_of": found["as_of"],
        }  # fmt: skip


@blp.route("/campaigns/<int:campaign_id>/recipients")
class Recipients(MethodView):
    @blp.needs("campaigns:read")
    @blp.paged(RecipientOut, RecipientQuery, cursor=True)
    def get(self, asked: PageRequest, filters: dict[str, Any], campaign_id: int) -> Any:
        """List who got it, each with where it is and why."""
        actor = current_actor()
        return recipients.list_recipients(actor, service.get_campaign(actor, campaign_id), asked, filters)


@blp.route("/email-accounts")
class EmailAccounts(MethodView):
    @blp.needs("campaigns:read")
    @blp.paged(AccountOut, AccountQuery)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List sending accounts: every mailbox is one by itself."""
        return accounts.list_accounts(current_actor(), asked, filters)
