"""The one blueprint of this door."""

from webapp.core.rest import Blueprint

blp = Blueprint("api_domains", __name__, url_prefix="/api/v1", description="The names under which a workspace has mailboxes")
