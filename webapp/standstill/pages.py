"""The dashboard's door: a line on every page while nothing leaves, and the page on which an admin says that this is the only copy."""

from typing import Any

from flask import Blueprint, Flask, Response, g, url_for

from webapp.core.access import current_actor, needs
from webapp.core.db import db
from webapp.core.htmx import redirect_to, render
from webapp.standstill import service

bp = Blueprint("standstill", __name__, url_prefix="/standstill")


@bp.get("")
@needs(service.SCOPE)
def show() -> Any:
    """What was found, and what may be done."""
    return render("standstill/show.html", found=service.read(), may_end=service.may_end(current_actor()))


@bp.post("/end")
@needs(service.SCOPE)
def end() -> Response:
    """This is the only copy now."""
    service.end(current_actor())
    db.session.commit()
    return redirect_to(url_for("standstill.show"), "Sending goes on; this is the only copy now.")


def _banner() -> dict[str, Any]:
    """For base.html: {text, url}; the address only for those who may do something about it."""
    actor = g.get("actor")
    found = service.read() if actor is not None and actor.type == "user" else None
    if found is None:
        return {}
    may_end = service.may_end(actor)
    url = url_for("standstill.show") if may_end else None
    return {"standstill": {"since": found.since, "why": found.why if may_end else "", "url": url}}


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    app.context_processor(_banner)
