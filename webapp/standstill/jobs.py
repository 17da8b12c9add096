"""The background door: the brake of the queue, and a look each minute, so that a database put in place meanwhile is noticed."""

from flask import Flask

from webapp.core import health, queue
from webapp.core.queue import every
from webapp.standstill import service


@every(service.LOOK_S, "standstill.look")
def look() -> None:
    """Whether the database still lies where it lay."""
    service.look()


def init_app(_app: Flask) -> None:
    queue.brakes[:] = [service.is_on]
    health.worries["standstill"] = lambda: list(service.worries())
