"""REST doors of automation: rules, actions, routes, mailbox data, logs, tests."""

from flask import Flask

from webapp.automation.api import actions, data, logs, routes, rules, stopped, trials
from webapp.automation.api.blueprint import blp
from webapp.core import openapi

__all__ = ["actions", "data", "logs", "routes", "rules", "stopped", "trials"]


def init_app(app: Flask) -> None:
    openapi.register(blp)
