"""How soon a campaign to a million people begins and stops, and what it takes of memory.

Run: RECIPIENTS=1000000 python -m tests.bench campaign_first        needs smtp-sink for nothing: the receiver is a listener of our own

One process does what the web and one worker do: `send` and its commit, then the drain. Goals: first copy at the receiver within 300 ms of
`send`; after `pause` nothing arrives later than 1 s; the worker grows less than 32 MB while it sends.
"""

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.bench.campaign import House
from tests.bench.common import say
from tests.factories.sending import Sink
from tests.servers import RedisServer
from webapp import create_app
from webapp.campaigns import engine, life
from webapp.core import heartbeat
from webapp.core.actor import Actor
from webapp.core.db import begin_writing, db
from webapp.mail import dkim


class Clocked(Sink):
    """Notes when the first and the last mail came, and keeps none of them."""

    first: float | None = None
    last = 0.0
    number = 0

    def _data(self, connection: Any, reader: Any, sender: str, recipients: list[str]) -> bool:
        going = super()._data(connection, reader, sender, recipients)
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.number += 1
        self.taken.clear()
        self.lines.clear()
        return going


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="mailroom-first-"))
    redis = RedisServer(folder)
    try:
        with Clocked() as sink:
            house = House(folder, sink.listener.port, redis.url(0), None)
            house.begin({"rsa": dkim.new_key("rsa")[0]})
            _measure(house, sink)
    finally:
        redis.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _measure(house: House, sink: Clocked) -> None:
    app = create_app(house.settings)
    with app.app_context():
        begin_writing()
        actor = Actor.system(house.workspace_id)
        before = heartbeat.rss_bytes()
        began = time.monotonic()
        life.send(actor, house.campaign_id)
        db.session.commit()
        sent = time.monotonic()
        paused: list[float] = []

        def pause() -> None:
            with app.app_context():
                begin_writing()
                life.pause(actor, house.campaign_id)
                db.session.commit()
                paused.append(time.monotonic())

        timer = threading.Timer(float(os.environ.get("SECONDS") or 8), pause)
        timer.start()
        while not paused:
            engine.drain(time.monotonic() + 5)
        timer.join()
        grown = heartbeat.rss_bytes() - before
        first = sink.first or time.monotonic()
        say(
            bench="campaign_first", contacts=int(os.environ.get("RECIPIENTS") or 10_000), send_ms=round((sent - began) * 1000, 1),
            first_ms=round((first - began) * 1000, 1), last_after_pause_ms=round(max(0.0, sink.last - paused[0]) * 1000, 1),
            sent=sink.number, grown_mb=round(grown / 1e6, 1),
        )  # fmt: skip


if __name__ == "__main__":
    main()
