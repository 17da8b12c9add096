"""Tells sending, which stands below, how mail gets into a mailbox of this installation."""

from flask import Flask

from webapp.intake import local
from webapp.sending.transports.local import register_local


def init_app(app: Flask) -> None:
    register_local(local.is_local, local.deliver)
