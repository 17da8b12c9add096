"""Our own calls to a catcher stay inside: no connection, so it works where nothing may be called."""

import json
import time
from urllib.parse import urlsplit

from flask import Flask

from webapp.catcher import service
from webapp.core.http_guard import Headers, HttpAnswer, Inside
from webapp.core.outside import Outside


def take(method: str, url: str, headers: Headers, body: bytes) -> HttpAnswer:
    """One call of an action or a webhook."""
    started = time.monotonic()
    parts = urlsplit(url)
    pairs = list(headers.items() if hasattr(headers, "items") else headers)
    key = parts.path.rpartition("/")[2]
    status = service.catch(key, method, parts.query, pairs, body, len(body), None)
    told = {"caught": status is not None}
    return HttpAnswer(
        status=status or 404, headers=[("content-type", "application/json")], body=json.dumps(told).encode(),
        seconds=time.monotonic() - started, address="inside",
    )  # fmt: skip


def init_app(app: Flask) -> None:
    outside: Outside = app.extensions["outside"]
    with app.app_context():
        outside.http.inside = Inside(service.prefix(), take)
