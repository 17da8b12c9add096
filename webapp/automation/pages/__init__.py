"""The pages of automation: routes and their editor, the route log, test mail, mailbox data, and signed links to attachments."""

from flask import Flask, url_for

from webapp.automation.pages.data import bp as data
from webapp.automation.pages.links import bp as links
from webapp.automation.pages.parts import bp as routes
from webapp.automation.pages.runs import bp as runs
from webapp.automation.pages.stopped import bp as stopped
from webapp.automation.pages.trials import bp as trials
from webapp.core import menu
from webapp.messages import links as mail_links
from webapp.messages.models import Message


def _rule_url(message: Message | None) -> str | None:
    """The editor, filled from a mail that somebody got."""
    received = message is not None and message.mailbox_id is not None and message.direction == "received"
    return url_for("automation.new_route", message=message.id) if message is not None and received else None


def _replay_url(message: Message | None) -> str | None:
    """The form of a test with this mail as it came in."""
    if message is None or message.mailbox_id is None:
        return None
    return url_for("trials.test_page", message=message.id, mailbox=message.mailbox_id)


def init_app(app: Flask) -> None:
    for blueprint in (routes, runs, stopped, trials, data, links):
        app.register_blueprint(blueprint)
    mail_links.add("Create rule from this mail", "workflow", _rule_url, scope="routes:write", order=30)
    mail_links.add("Replay", "rotate-ccw", _replay_url, scope="testmail:run", order=40)
    menu.add("Automate", "Routes", "automation.list_routes", scope="routes:read", order=10)
    menu.add("Automate", "Route log", "runs.list_page", scope="logs:read", order=20)
    menu.add("Automate", "Stopped mail", "stopped.list_page", scope="logs:read", order=25)
    menu.add("Automate", "Test mail", "trials.test_page", scope="testmail:run", order=30)
    menu.add("Automate", "Mailbox data", "mailbox_data.list_page", scope="data:read", order=40)
