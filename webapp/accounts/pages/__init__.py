"""People in the browser: `entrance` is the way in and out, `people` what a signed-in person does with account, members, workspaces."""

from flask import Flask

from webapp.accounts import frame
from webapp.accounts.pages import people
from webapp.accounts.pages.entrance import bp, manager, session_actor
from webapp.core import menu
from webapp.core.access import doors

__all__ = ["init_app", "people"]


def init_app(app: Flask) -> None:
    manager.init_app(app)
    doors.session_actor = session_actor
    app.register_blueprint(bp)
    app.context_processor(frame.context)
    menu.add("Set up", "Members", "accounts.members", scope="account:read", order=90)
