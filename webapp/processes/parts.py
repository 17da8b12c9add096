"""Which parts an installation has, what each of them runs, and in which order they stop."""

import socket
from collections.abc import Callable, Iterator

from flask import Flask

from webapp import scheduler, worker
from webapp.core import log
from webapp.intake import smtpd
from webapp.processes import web
from webapp.processes.child import Child
from webapp.settings import Settings

#: stages of the stop: first nothing new comes in, then work ends, then nobody rings any more; Redis is last
FIRST, THEN, AFTER, LAST = range(4)


def parts_of(app: Flask, settings: Settings, listener: socket.socket) -> Iterator[Child]:
    """The parts besides Redis, in the order of their start; they share the application that is loaded already."""

    def serve() -> None:
        log.configure()
        web.serve(app, settings, listener)

    def without_listener(run: Callable[[], None]) -> Callable[[], None]:
        def close_and_run() -> None:
            listener.close()
            run()

        return close_and_run

    yield Child("web", serve, stage=FIRST)
    yield Child("smtp", without_listener(lambda: smtpd.run(settings, app)), stage=FIRST)
    for number in range(1, settings.workers + 1):
        name = f"worker-{number}" if settings.workers > 1 else "worker"
        yield Child(name, without_listener(lambda: worker.work(settings, app)), stage=THEN)
    yield Child("scheduler", without_listener(lambda: scheduler.run(settings, app)), stage=AFTER)
