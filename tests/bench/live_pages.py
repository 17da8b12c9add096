"""200 open live pages and a list page beside them (goal: its p99 stays below twice its idle value).

Our own web server with two processes of eight threads; the pages hold a stream each, as a browser does. Measured: idle, with 200 streams
at rest, and while news arrives twice a second and every page asks for its list again. Run: python -m tests.bench live_pages
"""

import shutil
import tempfile
import threading
import time
from pathlib import Path

from tests.bench.common import median, percentile, say
from tests.bench.fill import fill
from tests.core.live_server import LiveServer, Stream
from tests.people import Person, make_people
from tests.servers import RedisServer
from webapp import create_app
from webapp.core import live, migrate
from webapp.core.db import begin_writing, db
from webapp.domains import service as domains
from webapp.mailboxes import service as mailboxes
from webapp.settings import load_settings

PAGES, ROUNDS, ROWS = 200, 300, 10_000


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="mailroom-bench-"))
    redis_server = RedisServer(folder)
    try:
        settings = {
            "MAILROOM_INSTANCE": str(folder), "REDIS_URL": redis_server.url(), "MAILROOM_HOSTNAME": "mail.bench.test",
            "MAILROOM_SECRET_KEY": "a key for benchmarks that is long enough to be one",
        }  # fmt: skip
        app = create_app(load_settings(settings, dotenv=None))
        migrate.upgrade(app)
        with app.app_context():
            begin_writing()
            alice = make_people(app)["alice"]
            domain = domains.create_domain(alice.actor, name="bench.test")
            mailboxes.create_mailbox(alice.actor, domain_id=domain.id, local_part="bench")
            db.session.commit()
            db.session.remove()
            fill(folder / "mailroom.sqlite", ROWS)
            with LiveServer(app, workers=2, threads=8) as server:
                run(server, alice)
    finally:
        redis_server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def run(server: LiveServer, alice: Person) -> None:
    measure(server, alice, 50)
    idle = measure(server, alice, ROUNDS)
    say(bench="live_pages", what="idle", **idle)
    streams = [server.stream(alice.page) for _ in range(PAGES)]
    ends = time.monotonic() + 20
    while sum("event: hello" in stream.text for stream in streams) < PAGES and time.monotonic() < ends:
        time.sleep(0.1)
    held = sum("event: hello" in stream.text for stream in streams)
    resting = measure(server, alice, ROUNDS)
    say(bench="live_pages", what=f"{held} of {PAGES} pages hold a stream", **resting)
    stop = threading.Event()
    readers = [threading.Thread(target=reload_on_news, args=(server, alice, streams[place::8], stop)) for place in range(8)]
    for reader in readers:
        reader.start()
    news = threading.Thread(target=tell, args=(alice.workspace.id, server, stop))
    news.start()
    busy = measure(server, alice, ROUNDS)
    stop.set()
    for thread in (*readers, news):
        thread.join()
    say(bench="live_pages", what="the same, news twice a second", **busy)
    say(
        bench="live_pages", ratio_p99_at_rest=round(resting["p99_ms"] / idle["p99_ms"], 2), goal_ratio=2,
        ratio_p99_with_news=round(busy["p99_ms"] / idle["p99_ms"], 2),
    )  # fmt: skip


def tell(workspace_id: int, server: LiveServer, stop: threading.Event) -> None:
    with server.app.app_context():
        while not stop.wait(0.5):
            live.publish(workspace_id, "messages-changed")


def reload_on_news(server: LiveServer, alice: Person, streams: list[Stream], stop: threading.Event) -> None:
    """What browsers do: each page asks for its list when its stream names it."""
    seen = {id(stream): stream.text.count("messages-changed") for stream in streams}
    while not stop.is_set():
        for stream in streams:
            number = stream.text.count("messages-changed")
            if number > seen[id(stream)]:
                seen[id(stream)] = number
                server.get(alice.page, "/mail")
        time.sleep(0.01)


def measure(server: LiveServer, alice: Person, rounds: int) -> dict[str, float]:
    waits = []
    for _ in range(rounds):
        status, seconds = server.get(alice.page, "/mail")
        if status != 200:
            raise SystemExit(f"/mail answered {status}.")
        waits.append(seconds * 1000)
    return {"p50_ms": median(waits), "p99_ms": percentile(waits, 0.99)}


if __name__ == "__main__":
    main()
