"""The one blueprint of sending, which the modules beside it fill."""

from webapp.core.rest import Blueprint

blp = Blueprint("api_sending", __name__, url_prefix="/api/v1", description="Sending mail, and where each recipient of it stands")
