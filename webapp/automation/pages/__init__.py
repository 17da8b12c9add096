"""The pages of automation: routes and their editor, the route log, test mail, mailbox data, and signed links to attachments."""

from flask import Flask

from webapp.automation.pages.data import bp as data
from webapp.automation.pages.links import bp as links
from webapp.automation.pages.routes import bp as routes
from webapp.automation.pages.runs import bp as runs
from webapp.automation.pages.trials import bp as trials
from webapp.core import menu


def init_app(app: Flask) -> None:
    for blueprint in (routes, runs, trials, data, links):
        app.register_blueprint(blueprint)
    menu.add("Automate", "Routes", "automation.list_routes", scope="routes:read", order=10)
    menu.add("Automate", "Route log", "runs.list_page", scope="logs:read", order=20)
    menu.add("Automate", "Test mail", "trials.test_page", scope="testmail:run", order=30)
    menu.add("Automate", "Mailbox data", "mailbox_data.list_page", scope="data:read", order=40)
