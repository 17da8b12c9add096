"""The request catcher in the browser, and the address that catches."""

import json
from typing import Any

from flask import Blueprint, Flask, Response, request, url_for

from webapp.catcher import service
from webapp.catcher.models import CaughtRequest
from webapp.core import menu
from webapp.core.access import current_actor, needs, open_to_strangers
from webapp.core.client import client_ip
from webapp.core.db import utcnow
from webapp.core.errors import NotFound
from webapp.core.htmx import made, redirect_to, render
from webapp.core.paging import PageRequest

bp = Blueprint("catcher", __name__)
PER_PAGE = 25


@bp.get("/catcher")
@needs("catcher:read")
def list_page() -> Any:
    """What came to the catcher of this workspace, newest first."""
    actor = current_actor()
    cursor = request.args.get("cursor") or None
    found = service.list_caught(actor, PageRequest(1, PER_PAGE, cursor))
    opened = request.args.get("open", 0, int)
    catcher = service.find(actor)
    return render(
        "catcher/list.html", "catcher/_rows.html", found=found, catcher=catcher, url=service.url_of(catcher) if catcher else None,
        now=utcnow(), opened=opened, body_of=readable,
        open_url=lambda row_id: url_for(".list_page", open=row_id, cursor=cursor),
        newer=url_for(".list_page") if cursor else None,
        older=url_for(".list_page", cursor=found.next_cursor) if found.next_cursor else None,
    )  # fmt: skip


def readable(row: CaughtRequest) -> str:
    """The body, JSON with indents."""
    try:
        return json.dumps(json.loads(row.body), indent=2, ensure_ascii=False)
    except ValueError:
        return row.body


@bp.post("/catcher")
@needs("catcher:write")
def open_page() -> Any:
    """Open the catcher."""
    service.open_catcher(current_actor())
    return redirect_to(url_for(".list_page"), toast="The request catcher is open")


@bp.post("/catcher/renew")
@needs("catcher:write")
def renew() -> Any:
    """Another address."""
    service.renew(current_actor())
    return redirect_to(url_for(".list_page"), toast="The request catcher has a new address")


@bp.post("/catcher/clear")
@needs("catcher:write")
def clear() -> Any:
    """Throw away what was caught."""
    number = service.clear(current_actor())
    return made(go_to=url_for(".list_page"), trigger="caught", toast=f"{number} {'request' if number == 1 else 'requests'} thrown away")


@bp.route("/catch/<string:key>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@open_to_strangers
def catch(key: str) -> Response:
    """Take any request of anybody who knows the address."""
    body = request.stream.read(service.BODY_BYTES)
    size = max(request.content_length or 0, len(body))
    status = service.catch(
        key, request.method, request.query_string.decode("latin-1"), list(request.headers.items()), body, size, client_ip(request)
    )
    if status is None:
        raise NotFound("No request catcher has this address.", hint="Look the address up under Developers, Request catcher.")
    response = Response(json.dumps({"caught": True}), status=status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    menu.add("Developers", "Request catcher", "catcher.list_page", scope="catcher:read", order=40)
