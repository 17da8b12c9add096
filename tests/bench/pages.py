"""Server time of the mail list page, signed in, at 1,000 and at 1,000,000 rows, and its queries (goals: p50 under 4 ms, at most 5).

In this process, through the whole application without a socket. Run: python -m tests.bench pages
"""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import event

from tests.bench.common import median, percentile, say
from tests.bench.fill import fill
from tests.people import make_people
from tests.servers import RedisServer
from webapp import create_app
from webapp.core import migrate
from webapp.core.db import db
from webapp.domains import service as domains
from webapp.mailboxes import service as mailboxes
from webapp.settings import load_settings


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="mailroom-bench-"))
    redis_server = RedisServer(folder)
    try:
        environment = {"MAILROOM_INSTANCE": str(folder), "REDIS_URL": redis_server.url(), "MAILROOM_RATE_LIMITS": "off"}
        app = create_app(load_settings(environment, dotenv=None))
        migrate.upgrade(app)
        with app.app_context():
            alice = make_people(app)["alice"]
            domain = domains.create_domain(alice.actor, name="acme.test")
            mailboxes.create_mailbox(alice.actor, domain_id=domain.id, local_part="bench")
            db.session.commit()
            medians: dict[int, float] = {}
            for rows, more in ((1000, 1000), (1_000_000, 999_000)):
                db.session.remove()
                fill(folder / "mailroom.sqlite", more)
                medians[rows] = measure(app, alice, rows)
            say(bench="pages", ratio_1m_to_1k=round(medians[1_000_000] / medians[1000], 2), goal_ratio=1.2)
    finally:
        redis_server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def measure(app: Any, alice: Any, rows: int) -> float:
    """p50 of the page in milliseconds."""
    queries: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda _c, _u, statement, *_: queries.append(statement))
    waits: list[float] = []
    answer = alice.page.get("/mail")
    for _ in range(200):
        queries.clear()
        started = time.perf_counter()
        answer = alice.page.get("/mail")
        waits.append((time.perf_counter() - started) * 1000)
    asked = len([statement for statement in queries if not statement.startswith(("BEGIN", "PRAGMA"))])
    say(
        bench="pages", path="/mail", rows=rows, p50_ms=median(waits), p99_ms=percentile(waits, 0.99), queries=asked,
        html_kb=round(len(answer.data) / 1024, 1), goal_p50_ms=4, goal_queries=5,
    )  # fmt: skip
    return median(waits)


if __name__ == "__main__":
    main()
