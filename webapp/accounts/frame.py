"""What base.html shows around every page: menu, person, workspaces, installation, and one line about what is not as it should be."""

from typing import Any

from flask import current_app, g, request, url_for

from webapp.accounts import service
from webapp.accounts.models import User
from webapp.accounts.sessions import Place
from webapp.core import menu
from webapp.core.actor import Actor
from webapp.core.config import settings
from webapp.core.db import reading

#: how mail leaves, by the scheme of MAILROOM_TRANSPORT
WAYS_OUT = {"capture": "mail is captured", "smtp": "sending by SMTP", "smtps": "sending by SMTP", "mx": "sending by MX"}


def way_out() -> str:
    """The scheme of the transport: capture, smtp, smtps or mx."""
    return settings().transport.split(":")[0]


def installation() -> dict[str, Any]:
    return {"host": settings().hostname, "version": current_app.config["VERSION"], "transport": WAYS_OUT.get(way_out(), way_out())}


def context() -> dict[str, Any]:
    """Everything that base.html and bare.html read; for nobody in particular only the installation."""
    actor: Actor | None = g.get("actor")
    user: User | None = g.get("user")
    if actor is None or actor.type != "user" or user is None:
        return {"installation": installation()}
    places = _places(user)
    place = next((place for place in places if place.workspace_id == actor.workspace_id), None)
    return {
        "actor": actor,
        "menu": menu.build(actor),
        "installation": installation(),
        "me": {
            "name": user.name or user.email, "email": user.email, "role": place.role if place else "",
            "profile_url": url_for("accounts.profile"), "logout_url": url_for("accounts.logout"),
        },
        "workspace": {"id": place.workspace_id, "name": place.name} if place else None,
        "workspaces": [_entry(place, actor) for place in places],
        "new_workspace_url": url_for("accounts.new_workspace") if place is None or actor.may("workspaces:write") else None,
        "live_url": url_for("live.events"),
        "alert": _alert(),
    }  # fmt: skip


def _places(user: User) -> list[Place]:
    """What the person is a member of: as the request found it, or anew when the request may have changed it."""
    if request.method == "GET":
        places: list[Place] = g.places
        return places
    with reading():
        return [Place(m.id, m.workspace_id, m.workspace.name, m.role) for m in service.list_workspaces(user.id)]


def _entry(place: Place, actor: Actor) -> dict[str, Any]:
    """One line of the switcher; its address is posted to."""
    url = url_for("accounts.open_workspace", workspace_id=place.workspace_id)
    return {"name": place.name, "url": url, "current": place.workspace_id == actor.workspace_id}


def _alert() -> dict[str, str] | None:
    """Nobody should wait for a mail that was captured: every page says so until a transport is set."""
    if way_out() != "capture":
        return None
    return {"text": "Outgoing mail is captured", "url": f"{url_for('dashboard.home')}#transport", "tone": "warn"}
