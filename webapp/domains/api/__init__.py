"""REST doors of domains: the domains themselves, what they do with mail, their DNS records and checks, their keys."""

from flask import Flask

from webapp.core import openapi
from webapp.domains.api import arrangements, dkim, dns, domains
from webapp.domains.api.blueprint import blp

__all__ = ["arrangements", "dkim", "dns", "domains"]


def init_app(app: Flask) -> None:
    openapi.register(blp)
