"""The outside is one object: HTTP, DNS, SMTP and the clock. Tests hand in fakes (`tests/fakes.py`).

    outside().http.send(...)     core.http_guard, guarded and capped
    outside().dns.lookup(...)    core.dns
    outside().smtp(target)       a slot: the sending feature puts its connector in, because core knows no mail
    outside().clock.now()        aware UTC
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Flask, current_app

from webapp.core.dns import Dns
from webapp.core.http_guard import HttpClient
from webapp.settings import Settings

#: Opens a connection to a target; both types belong to the feature that fills the slot.
SmtpConnector = Callable[..., Any]


class Clock:
    """The time of this machine. What several machines must agree on goes by `core.db.database_now`."""

    def now(self) -> datetime:
        """The current moment, aware, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait; not at all for zero or less."""
        if seconds > 0:
            time.sleep(seconds)


@dataclass
class Outside:
    """Everything that reaches beyond this process and its stores. `smtp` is None until the sending feature has filled it."""

    http: HttpClient
    dns: Dns
    smtp: SmtpConnector | None
    clock: Clock
    #: where mail hosts of other domains listen; another one only in tests
    mx_port: int = 25


def outside() -> Outside:
    """The outside of the current application."""
    found: Outside = current_app.extensions["outside"]
    return found


def init_app(app: Flask, settings: Settings) -> None:
    """Give the application its outside; opens no connection. One that is there already (a test's) stays."""
    dns = Dns(settings.dns)
    http = HttpClient(settings.allow_private_targets, lookup=dns.addresses)
    app.extensions.setdefault("outside", Outside(http=http, dns=dns, smtp=None, clock=Clock()))
