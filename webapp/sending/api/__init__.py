"""The REST door of sending: mails and their deliveries, steps over many of them, holds and destinations."""

from flask import Flask

from webapp.core import openapi
from webapp.sending.api import deliveries as deliveries
from webapp.sending.api import orders as orders
from webapp.sending.api.blueprint import blp


def init_app(app: Flask) -> None:
    openapi.register(blp)
