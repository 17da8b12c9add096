"""The one blueprint of campaigns, which the modules beside it fill."""

from webapp.core.rest import Blueprint

blp = Blueprint("api_campaigns", __name__, url_prefix="/api/v1", description="Campaigns: one letter to many people")
#: which rate limit counts for what makes mail leave or stop
SENDS = "campaign_sends"
