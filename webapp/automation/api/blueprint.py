"""The one blueprint of these doors."""

from webapp.core.rest import Blueprint

blp = Blueprint("api_automation", __name__, url_prefix="/api/v1", description="Rules, actions and routes: mail that arrives does something")
