"""What makes a campaign leave, stop and go on; and its test copies. All of it counts in a rate limit of its own."""

from typing import Any

from flask.views import MethodView

from webapp.campaigns import life, service, trials
from webapp.campaigns.api.blueprint import SENDS, blp
from webapp.campaigns.schemas import CampaignOut, CampaignSchedule, CampaignTest, CampaignTested
from webapp.campaigns.showing import shown
from webapp.core.access import current_actor


@blp.route("/campaigns/<int:campaign_id>/send")
class Send(MethodView):
    @blp.needs("campaigns:send", family=SENDS)
    @blp.response(202, CampaignOut)
    def post(self, campaign_id: int) -> Any:
        """Begin sending now."""
        return shown(life.send(current_actor(), campaign_id))


@blp.route("/campaigns/<int:campaign_id>/schedule")
class Schedule(MethodView):
    @blp.needs("campaigns:send", family=SENDS)
    @blp.arguments(CampaignSchedule)
    @blp.response(200, CampaignOut)
    def post(self, asked: dict[str, Any], campaign_id: int) -> Any:
        """Have a draft sent at a time, or move a scheduled campaign to another."""
        return shown(service.schedule(current_actor(), campaign_id, asked["schedule_at"], asked["schedule_zone"]))


@blp.route("/campaigns/<int:campaign_id>/unschedule")
class Unschedule(MethodView):
    @blp.needs("campaigns:send", family=SENDS)
    @blp.response(200, CampaignOut)
    def post(self, campaign_id: int) -> Any:
        """Make a scheduled campaign a draft again."""
        return shown(life.unschedule(current_actor(), campaign_id))


@blp.route("/campaigns/<int:campaign_id>/pause")
class Pause(MethodView):
    @blp.needs("campaigns:send", family=SENDS)
    @blp.response(202, CampaignOut)
    def post(self, campaign_id: int) -> Any:
        """Stop within one batch; `stats.waiting` says how many are left, and none of them is lost."""
        return shown(life.pause(current_actor(), campaign_id))


@blp.route("/campaigns/<int:campaign_id>/resume")
class Resume(MethodView):
    @blp.needs("campaigns:send", family=SENDS)
    @blp.response(202, CampaignOut)
    def post(self, campaign_id: int) -> Any:
        """Go on with those who are left; nobody gets it twice."""
        return shown(life.resume(current_actor(), campaign_id))


@blp.route("/campaigns/<int:campaign_id>/cancel")
class Cancel(MethodView):
    @blp.needs("campaigns:send", family=SENDS)
    @blp.response(202, CampaignOut)
    def post(self, campaign_id: int) -> Any:
        """Stop for good: who is left gets nothing. Pausing is the milder way."""
        return shown(life.cancel(current_actor(), campaign_id))


@blp.route("/campaigns/<int:campaign_id>/test")
class Test(MethodView):
    @blp.needs("campaigns:write", family=SENDS)
    @blp.arguments(CampaignTest)
    @blp.response(202, CampaignTested)
    def post(self, asked: dict[str, Any], campaign_id: int) -> Any:
        """Send a copy to up to five addresses; it is marked as a test and counted nowhere."""
        return trials.send_test(current_actor(), campaign_id, **asked)
