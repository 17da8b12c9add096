"""The background door: the drain that sends campaigns, and the answers to what the machinery of sending asks about their copies."""

from functools import partial

from flask import Flask

from webapp.campaigns import copies, engine, life, standing, tallies
from webapp.core.queue import drain, is_waiting
from webapp.sending import campaigned


@drain(life.DRAIN, queue="campaigns", due=engine.is_due, leaves=True)
def send_campaigns(until: float) -> bool:
    """Begin, send, end; whatever waits in the queue `mail` goes first."""
    return engine.drain(until, gives_way=partial(is_waiting, "mail"))


def init_app(_app: Flask) -> None:
    campaigned.register(campaigned.Door(copies.mails, standing.keep_back, tallies.moved, tallies.moved_many))
