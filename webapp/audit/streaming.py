"""An export as the answer to a request, for the page and the API alike."""

from flask import Response, stream_with_context

from webapp.audit.export import Export, stream


def answer(export: Export) -> Response:
    """The file, sent while it is read; a browser saves it under its name."""
    response = Response(stream_with_context(stream(export)), content_type=export.content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{export.filename}"'
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response
