"""The pages of sending: the log at /queue, and writing a mail at /mail/new."""

from flask import Flask, url_for

from webapp.core import menu
from webapp.messages import links
from webapp.messages.models import Message
from webapp.picks import kinds
from webapp.sending import picking
from webapp.sending.pages import destinations as destinations
from webapp.sending.pages.compose import bp as compose
from webapp.sending.pages.queue import bp as queue


def init_app(app: Flask) -> None:
    app.register_blueprint(compose)
    app.register_blueprint(queue)
    kinds.register(picking.kind(lambda: url_for("sending.queue")))
    menu.add("Send", "Write mail", "compose.new_mail", scope="messages:send", order=10)
    menu.add("Send", "Sending log", "sending.queue", scope="deliveries:read", order=80)
    links.add("Reply", "reply", _reply, scope="messages:send", order=10)
    links.add("Deliveries", "send", _deliveries, scope="deliveries:read", order=20)
    links.add("Write mail", "mail-plus", lambda message: url_for("compose.new_mail"), scope="messages:send", order=10, on_list=True)


def _reply(message: Message | None) -> str | None:
    """System mail is answered by nobody."""
    return None if message is None or message.mailbox_id is None else url_for("compose.new_mail", reply=message.id)


def _deliveries(message: Message | None) -> str | None:
    """Where the recipients of a sent mail stand."""
    return url_for("sending.queue", message_id=message.id) if message is not None and message.direction == "sent" else None
