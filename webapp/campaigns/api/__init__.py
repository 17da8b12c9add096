"""The REST door of campaigns."""

from flask import Flask

from webapp.campaigns.api import campaigns as campaigns
from webapp.campaigns.api import looking as looking
from webapp.campaigns.api import steps as steps
from webapp.campaigns.api.blueprint import blp
from webapp.core import openapi


def init_app(app: Flask) -> None:
    openapi.register(blp)
