"""Tokens in the browser: `listing` and one token with its log (`one`), making and rotating (`making`), narrowing and revoking (`changing`),
those of a mailbox (`of_mailbox`)."""  # fmt: skip

from flask import Flask

from webapp.core import menu
from webapp.tokens.pages import changing, listing, making, of_mailbox, one
from webapp.tokens.pages.blueprint import bp

__all__ = ["changing", "init_app", "listing", "making", "of_mailbox", "one"]


def init_app(app: Flask) -> None:
    app.register_blueprint(bp)
    menu.add("Developers", "Tokens", "tokens.list_page", scope="tokens:read", order=10)
    menu.add("Developers", "API", "openapi.swagger", order=90)
