"""/attachments/<signed>: one attachment for whoever was given the link, for a day. No sign-in; the signature is the permission."""

from io import BytesIO

from flask import Blueprint, Response, send_file

from webapp.automation import contexts
from webapp.core.errors import NotFound

bp = Blueprint("attachment_links", __name__)


@bp.get("/attachments/<signed>")
def download(signed: str) -> Response:
    """The file, always as a download: it comes from a stranger."""
    found = contexts.open_attachment(signed)
    if found is None:
        raise NotFound("This link is not valid any more; links to attachments live for a day.", hint="Replay the mail for a new one.")
    answer = send_file(BytesIO(found.content), mimetype=found.content_type, as_attachment=True, download_name=found.filename)
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer.headers["Cache-Control"] = "private, no-store"
    return answer
