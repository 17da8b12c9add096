"""What an import gives back as a file: the rows that it refused, the contacts that undoing left."""

from collections.abc import Iterator

from flask import Flask, Response, current_app

from webapp.core.actor import Actor
from webapp.imports import problems, service


def problems_of(actor: Actor, import_id: int, kind: str = "row") -> Response:
    """All of them as CSV, read while it is sent. raises NotFound"""
    job = service.get_import(actor, import_id)
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    titles, number = list(job.shape["titles"]), job.id

    def pieces() -> Iterator[bytes]:
        """Each in a context of its own, so that nothing is held while the other side reads."""
        yield problems.heading(titles, kind)
        beyond = 0
        while True:
            with app.app_context():
                beyond, some = problems.piece(number, kind, beyond)
            if not some:
                return
            yield some

    response = Response(pieces(), content_type="text/csv; charset=utf-8")
    name = "errors" if kind == "row" else "left"
    response.headers["Content-Disposition"] = f'attachment; filename="import-{number}-{name}.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response
