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
from tests.people import PASSWORD, PageClient, make_people
from tests.servers import RedisServer
from webapp import create_app
from webapp.accounts import passwords
from webapp.core import migrate
from webapp.core.db import db
from webapp.domains import service as domains
from webapp.mailboxes import service as mailboxes
from webapp.settings import load_settings


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="mailroom-bench-"))
    redis_server = RedisServer(folder)
    try:
        environment = {"MAILROOM_INSTANCE": str(folder), "REDIS_URL": redis_server.url(), "MAILROOM_HOSTNAME": "mail.acme.test"}
        app = create_app(load_settings(environment, dotenv=None))
        migrate.upgrade(app)
        with app.app_context():
            alice = make_people(app)["alice"]
            domain = domains.create_domain(alice.actor, name="acme.test")
            mailboxes.create_mailbox(alice.actor, domain_id=domain.id, local_part="bench")
            alice.user.password_hash = passwords.hash_password(PASSWORD)
            db.session.commit()
            page = PageClient(app, None)
            page.post("/login", {"email": alice.user.email, "password": PASSWORD})  # a session as a browser has it
            medians: dict[int, float] = {}
            for rows, more in ((1000, 1000), (1_000_000, 999_000)):
                db.session.remove()
                fill(folder / "mailroom.sqlite", more)
                medians[rows] = measure(page, rows)
            say(bench="pages", ratio_1m_to_1k=round(medians[1_000_000] / medians[1000], 2), goal_ratio=1.2)
    finally:
        redis_server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def measure(page: PageClient, rows: int) -> float:
    """p50 of the page in milliseconds."""
    queries: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda _c, _u, statement, *_: queries.append(statement))
    waits: list[float] = []
    answer = page.get("/mail")
    cpu: list[float] = []
    application = page.app.wsgi_app

    def timed(environ: Any, start_response: Any) -> Any:
        started, worked = time.perf_counter(), time.thread_time()
        body = [b"".join(application(environ, start_response))]
        waits.append((time.perf_counter() - started) * 1000)
        cpu.append((time.thread_time() - worked) * 1000)
        return body

    page.app.wsgi_app = timed
    for _ in range(300):
        queries.clear()
        answer = page.get("/mail")
    page.app.wsgi_app = application
    if answer.status_code != 200:
        raise SystemExit(f"/mail answered {answer.status_code}.")
    asked = len([statement for statement in queries if not statement.startswith(("BEGIN", "PRAGMA"))])
    say(
        bench="pages", path="/mail", rows=rows, p50_ms=median(waits), cpu_p50_ms=median(cpu), p99_ms=percentile(waits, 0.99), queries=asked,
        html_kb=round(len(answer.data) / 1024, 1), goal_p50_ms=4, goal_queries=5,
    )  # fmt: skip
    return median(waits)


if __name__ == "__main__":
    main()
