"""Search over 1,000,000 messages through HTTP, rare and frequent words (goals: p99 under 10 ms on SQLite, 20 ms on PostgreSQL).

One client, one request after another on one connection, our own web server with two processes; the global search and the archive's.
Prints, decides nothing. Run: python -m tests.bench search_http, or python -m tests.bench.search_http [--postgres] [--rows 1000000]
"""

import argparse
import http.client
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.bench import search_plan
from tests.bench.common import cpu_s, family, median, percentile, say
from tests.core.live_server import LiveServer
from tests.people import HASH
from tests.servers import PostgresServer, RedisServer
from webapp import create_app
from webapp.accounts.models import Membership, User
from webapp.core import migrate
from webapp.core.actor import Actor
from webapp.core.db import begin_writing, db, utcnow
from webapp.settings import load_settings
from webapp.tokens import service as tokens

ROWS, ROUNDS = 1_000_000, 300
#: the words of search_plan's mails: in twenty, in one of a thousand, in every fifth, in none
WORDS = ("seldom", "middling", "common", "nowhere", "message common", "from:person77 bicycle", "subject:Subject")
GOAL_MS = {"sqlite": 10, "postgresql": 20}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL alone, which is started for it")
    asked = parser.parse_args(sys.argv[1:] if __name__ == "__main__" else [])
    folder = Path(tempfile.mkdtemp(prefix="mailroom-bench-"))
    redis_server = RedisServer(folder)
    postgres = PostgresServer(folder / "pg") if asked.postgres else None
    try:
        url = postgres.create("bench") if postgres else f"sqlite:///{folder}/mailroom.sqlite"
        run(folder, url, redis_server.url(), asked.rows)
    finally:
        redis_server.stop()
        if postgres:
            postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def run(folder: Path, url: str, redis_url: str, rows: int) -> None:
    settings = {
        "MAILROOM_INSTANCE": str(folder), "DATABASE_URL": url, "REDIS_URL": redis_url, "MAILROOM_HOSTNAME": "mail.bench.test",
        "MAILROOM_SECRET_KEY": "a key for benchmarks that is long enough to be one",
    }  # fmt: skip
    app = create_app(load_settings(settings, dotenv=None))
    migrate.upgrade(app)
    with app.app_context():
        begin_writing()
        search_plan.fill(rows)
        token = make_token()
        database = db.engine.dialect.name
        db.session.remove()
        db.engine.dispose()
    with LiveServer(app, workers=2, threads=8) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        measure(connection, token, "/api/v1/search?q=warm", [])
        pids = [pid for pid, _ in family(server.process.pid)]
        for path in ("/api/v1/search?limit=5&q=", "/api/v1/mailboxes/1/archives?per_page=25&search="):
            for word in WORDS:
                say(bench="search_http", database=database, rows=rows, goal_p99_ms=GOAL_MS[database],
                    path=path.partition("?")[0], word=word, **measure(connection, token, path + quote(word), pids))  # fmt: skip
        connection.close()


def make_token() -> str:
    """Of an owner of workspace 1."""
    user = User(email="bench@bench.test", name="Bench", password_hash=HASH, password_changed_at=utcnow())
    db.session.add(user)
    db.session.flush()
    db.session.add(Membership(workspace_id=1, user_id=user.id, role="owner"))
    owner = Actor(type="system", workspace_id=1, role="owner", scopes=frozenset({"*"}), user_id=user.id, name="bench")
    _, value = tokens.create_token(owner, name="bench", kind="workspace", scopes=["*"])
    db.session.commit()
    return value


def measure(connection: http.client.HTTPConnection, token: str, path: str, pids: list[int]) -> dict[str, Any]:
    """p50 and p99 of ROUNDS requests in milliseconds, after some that warm both processes up; and the processor time of the server
    for one, which says more where other work shares the machine.
    """
    waits: list[float] = []
    total: Any = None
    before = 0.0
    for number in range(ROUNDS + 20):
        before = cpu_s(pids) if number == 20 else before
        started = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}: {body[:300]!r}")
        if number >= 20:
            waits.append((time.perf_counter() - started) * 1000)
        total = body.count(b'"id"')
    cpu_ms = round((cpu_s(pids) - before) * 1000 / ROUNDS, 2)
    return {"p50_ms": median(waits), "p99_ms": percentile(waits, 0.99), "cpu_ms": cpu_ms, "ids_in_answer": total}


if __name__ == "__main__":
    main()
