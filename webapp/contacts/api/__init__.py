"""`/contacts`, `/tags`, `/contact-groups`, `/custom-fields`, `/erasures`: people for programs."""

from flask import Flask

from webapp.contacts.api import export, fields, groups, people, privacy, story, tags
from webapp.core import openapi

__all__ = ["init_app"]


def init_app(app: Flask) -> None:
    for module in (people, export, story, privacy, tags, groups, fields):
        openapi.register(module.blp)
