"""The pages of sending: the log at /queue, and writing a mail at /mail/new."""

from flask import Flask

from webapp.core import menu
from webapp.sending.pages.compose import bp as compose
from webapp.sending.pages.queue import bp as queue


def init_app(app: Flask) -> None:
    app.register_blueprint(compose)
    app.register_blueprint(queue)
    menu.add("Send", "Write mail", "compose.new_mail", scope="messages:send", order=10)
    menu.add("Send", "Sending log", "sending.queue", scope="deliveries:read", order=80)
