"""Mailboxes in the browser: `listing` the list, `creating` one or many, `single` everything about one."""

from flask import Flask, url_for

from webapp.core import menu
from webapp.mailboxes import picking
from webapp.mailboxes.pages import creating, listing, single
from webapp.mailboxes.pages.base import bp
from webapp.picks import kinds

__all__ = ["creating", "init_app", "listing", "single"]


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    kinds.register(picking.kind(lambda: url_for("mailboxes.list_page")))
    menu.add("Set up", "Mailboxes", "mailboxes.list_page", scope="mailboxes:read", order=20)
