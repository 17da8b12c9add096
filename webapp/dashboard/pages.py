"""The home page: what wants attention, the first steps with their real state, what happened last."""

from typing import Any

from flask import Blueprint, Flask, current_app, g, redirect, url_for

from webapp.accounts import frame
from webapp.accounts import service as accounts
from webapp.core import menu
from webapp.core.access import current_actor, doors, needs
from webapp.core.errors import InvalidState
from webapp.core.htmx import made, redirect_to, render
from webapp.dashboard import service
from webapp.dashboard.keys import KEYS
from webapp.intake import samples

bp = Blueprint("dashboard", __name__)


@bp.get("/")
def home() -> Any:
    """Home for those who are signed in; otherwise the way in."""
    actor = doors.session_actor()
    if actor is None:
        return redirect(url_for("accounts.login" if accounts.has_owner() else "accounts.setup"), 303)
    g.actor = actor
    if (hurdle := doors.hurdle(actor, False)) is not None:
        return hurdle
    home = service.look(actor)
    for figure in home.figures:
        figure["url"] = address(figure["goes"], **figure.get("asks", {}))
    return render("dashboard/home.html", "dashboard/_live.html", home=home, captured=frame.way_out() == "capture", address=address)


@bp.post("/sample-mail")
@needs("testmail:run")
def sample() -> Any:
    """Have a first mail arrive."""
    try:
        samples.send_to_newest(current_actor())
    except InvalidState as refused:
        return redirect_to(url_for("dashboard.home"), toast=f"{refused.message} {refused.hint}", tone="bad")
    return made(go_to=url_for("messages.list_page"), trigger="messages-changed", toast="A sample mail is on its way in")


@bp.get("/keys")
@needs()
def keys() -> Any:
    """Every keyboard shortcut, as a page or as a dialog."""
    return render("dashboard/keys.html", "dashboard/_keys.html", keys=KEYS)


def address(endpoint: str, **values: Any) -> str | None:
    """Where a button or number leads; None for a page that is not there, so that nothing leads nowhere."""
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else None


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    app.context_processor(lambda: {"keys_url": url_for("dashboard.keys")} if g.get("actor") else {})
    menu.add("Home", "Home", "dashboard.home")
