"""An export as the answer to a request, for the page and the API alike."""

from collections.abc import Generator

from flask import Flask, Response, current_app

from webapp.audit.export import Export, stream


def answer(export: Export) -> Response:
    """The file, sent while it is read; a browser saves it under its name."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    response = Response(_pieces(app, export), content_type=export.content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{export.filename}"'
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _pieces(app: Flask, export: Export) -> Generator[bytes]:
    """Each piece is made in a context of its own, so that nothing, no connection either, is held while the other side reads."""
    pieces = stream(export)
    try:
        while True:
            with app.app_context():
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece
    finally:
        with app.app_context():
            pieces.close()
