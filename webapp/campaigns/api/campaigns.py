"""`/campaigns`: written, listed, changed, deleted."""

from typing import Any

from flask.views import MethodView

from webapp.campaigns import service
from webapp.campaigns.api.blueprint import blp
from webapp.campaigns.schemas import CampaignIn, CampaignOut, CampaignPatch, CampaignQuery, CampaignRow
from webapp.campaigns.showing import shown, shown_page
from webapp.core.access import current_actor
from webapp.core.paging import PageRequest
from webapp.core.rest import Deleted


@blp.route("/campaigns")
class Campaigns(MethodView):
    @blp.needs("campaigns:read")
    @blp.paged(CampaignRow, CampaignQuery)
    def get(self, asked: PageRequest, filters: dict[str, Any]) -> Any:
        """List campaigns with their numbers, newest first."""
        return shown_page(service.list_campaigns(current_actor(), asked, filters))

    @blp.needs("campaigns:write")
    @blp.arguments(CampaignIn)
    @blp.response(201, CampaignOut)
    def post(self, new: dict[str, Any]) -> Any:
        """Create a campaign: a draft, or with schedule_at one that is sent at that time (which needs campaigns:send)."""
        return shown(service.create_campaign(current_actor(), **new))


@blp.route("/campaigns/<int:campaign_id>")
class OneCampaign(MethodView):
    @blp.needs("campaigns:read")
    @blp.response(200, CampaignOut)
    def get(self, campaign_id: int) -> Any:
        """Show one campaign with its letter, its audience and how far it is."""
        return shown(service.get_campaign(current_actor(), campaign_id))

    @blp.needs("campaigns:write")
    @blp.arguments(CampaignPatch)
    @blp.response(200, CampaignOut)
    def put(self, changes: dict[str, Any], campaign_id: int) -> Any:
        """Change the given fields of a draft, scheduled or paused campaign; of a paused one those who are left get the new letter."""
        return shown(service.update_campaign(current_actor(), campaign_id, changes))

    @blp.needs("campaigns:write")
    @blp.arguments(CampaignPatch)
    @blp.response(200, CampaignOut)
    def patch(self, changes: dict[str, Any], campaign_id: int) -> Any:
        """Change the given fields, as PUT does."""
        return shown(service.update_campaign(current_actor(), campaign_id, changes))

    @blp.needs("campaigns:write")
    @blp.response(200, Deleted)
    def delete(self, campaign_id: int) -> Any:
        """Put a campaign that is not being sent into the trash; a paused one is cancelled by that."""
        service.delete_campaign(current_actor(), campaign_id)
        return {"id": campaign_id, "message": "Campaign deleted successfully. It can be restored for 30 days."}


@blp.route("/campaigns/<int:campaign_id>/duplicate")
class Duplicate(MethodView):
    @blp.needs("campaigns:write")
    @blp.response(201, CampaignOut)
    def post(self, campaign_id: int) -> Any:
        """Make a draft with the same letter and audience."""
        return shown(service.duplicate_campaign(current_actor(), campaign_id))
