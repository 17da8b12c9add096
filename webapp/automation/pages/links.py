"""/attachments/<signed>: one attachment for whoever was given the link, for a day. No sign-in; the signature is the permission."""

from flask import Blueprint, Response

from webapp.automation import contexts
from webapp.core.errors import NotFound
from webapp.mail.mime import Attachment
from webapp.messages import downloads

bp = Blueprint("attachment_links", __name__)


@bp.get("/attachments/<signed>")
def download(signed: str) -> Response:
    """The file, always as a download: it comes from a stranger."""
    found = contexts.open_attachment(signed)
    if found is None:
        raise NotFound("This link is not valid any more; links to attachments live for a day.", hint="Replay the mail for a new one.")
    return downloads.attachment(Attachment(found.filename, found.content_type, found.content))
