"""Tells sending, which stands below, how mail gets into a mailbox of this installation; repeats and reports are looked at as they come."""

from flask import Flask

from webapp.intake import forwarded, local, pipeline, repeats
from webapp.sending.transports.local import register_local


def init_app(app: Flask) -> None:
    register_local(local.is_local, local.deliver)
    pipeline.look_for("repeat", repeats.look)
    pipeline.look_for("return", forwarded.look)
