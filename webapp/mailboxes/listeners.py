"""Tells the features below who lives in a domain and what lies in the trash; closes what a deleted workspace had."""

from flask import Flask

from webapp.core import events
from webapp.mailboxes import below, closing


@events.listen("workspace_deleted")
def close_all(workspace_id: int) -> None:
    """Its addresses take no mail from this transaction on."""
    closing.close(workspace_id)


def init_app(app: Flask) -> None:
    below.sign_in()
