"""The settings of the current application, for services, which do not import flask."""

from flask import current_app

from webapp.settings import Settings


def settings() -> Settings:
    """Every setting of this installation (`webapp.settings`)."""
    found: Settings = current_app.config["SETTINGS"]
    return found
