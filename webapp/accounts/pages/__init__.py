"""People in the browser: `entrance` is the way in and out, `confirm` what stands before a page, `security` one's own account, `people`
workspaces, `members` their members, `joining` the ways in by mail."""

from flask import Flask

from webapp.accounts import frame
from webapp.accounts.pages import joining, members, people, security
from webapp.accounts.pages.confirm import hurdle
from webapp.accounts.pages.entrance import bp, manager, session_actor
from webapp.core import menu
from webapp.core.access import doors

__all__ = ["init_app", "joining", "members", "people", "security"]


def init_app(app: Flask) -> None:
    manager.init_app(app)
    doors.session_actor, doors.hurdle = session_actor, hurdle
    app.register_blueprint(bp)
    app.context_processor(frame.context)
    menu.add("Set up", "Members", "accounts.members", scope="account:read", order=90)
    menu.add("Set up", "Workspace", "accounts.workspace", scope="account:read", order=95)
