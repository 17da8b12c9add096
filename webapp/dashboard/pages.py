"""The home page: what wants attention, the first steps with their real state, what happened last."""

from typing import Any

from flask import Blueprint, Flask, g, redirect, url_for

from webapp.accounts import frame
from webapp.accounts import service as accounts
from webapp.core import menu
from webapp.core.access import doors
from webapp.core.htmx import render
from webapp.dashboard import service

bp = Blueprint("dashboard", __name__)


@bp.get("/")
def home() -> Any:
    """Home for those who are signed in; otherwise the way in."""
    actor = doors.session_actor()
    if actor is None:
        return redirect(url_for("accounts.login" if accounts.has_owner() else "accounts.setup"), 303)
    g.actor = actor
    return render("dashboard/home.html", "dashboard/_live.html", home=service.look(actor), captured=frame.way_out() == "capture")


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    menu.add("Home", "Home", "dashboard.home")
