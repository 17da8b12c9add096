"""Tells the features below who lives in a domain and what lies in the trash."""

from flask import Flask

from webapp.mailboxes import below


def init_app(app: Flask) -> None:
    below.sign_in()
