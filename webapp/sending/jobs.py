"""The background door: one drain in the queue `mail`, and the chores around it."""

import logging

from flask import Flask

from webapp.core.queue import drain, every
from webapp.sending import ledger, recover, release, retention, work
from webapp.sending.transports.mx import MX

logger = logging.getLogger("mailroom.sending")


def is_due() -> bool:
    """Rows whose time has come, and rows whose holder is gone."""
    return ledger.has_due() or ledger.has_expired() or recover.has_left()


@drain("sending.drain", queue="mail", due=is_due)
def send_due(until: float) -> bool:
    """Hand over what is due; running it twice at once is harmless, since rows are claimed."""
    return work.drain(until)


@every(10, "sending.release")
def release_waiting() -> None:
    """What was held for want of a way out goes on."""
    release.release_waiting()


@every(3600, "sending.forget")
def forget_old() -> None:
    """Finished deliveries are kept for 90 days."""
    retention.forget_old()


def init_app(app: Flask) -> None:
    if app.config["SETTINGS"].transport == "mx":
        logger.warning("%s", MX.notice)
