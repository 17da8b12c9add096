"""Lists and search over 1,000,000 messages: plans and times on SQLite, and on PostgreSQL with its URL.

    python -m tests.bench search_plan               both, the second on a PostgreSQL that is started for it
    python -m tests.bench.search_plan [--rows 1000000] [--postgres postgresql+psycopg://…/empty_database]

A throw-away database is filled by SQL alone, then the same service functions that API and pages call are timed: first page, a deep keyset
page, search of a rare and a frequent word, several words, a rare mailbox. Prints, decides nothing. The PostgreSQL database must be empty;
what is made in it stays.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import event, text

from tests.factories.mailboxes import make_mailbox
from tests.servers import PostgresServer
from webapp import create_app
from webapp.accounts.models import Workspace
from webapp.core import migrate
from webapp.core.actor import Actor
from webapp.core.db import begin_reading, begin_writing, db, is_sqlite
from webapp.core.paging import PageRequest, write_cursor
from webapp.messages import service
from webapp.messages.models import RawMessage
from webapp.settings import load_settings

#: of all rows mailbox 1 has half, mailbox 2 a sixth, mailbox 3 the rest but 500, which are mailbox 9's
#: `common` stands in every fifth mail, `seldom` in twenty, `middling` in one of a thousand
FREQUENT, RARE_HITS, MIDDLING = 5, 20, 1000
MAILBOX = "CASE WHEN n <= 500 THEN 9 WHEN n % 2 = 0 THEN 1 WHEN n % 3 = 0 THEN 2 ELSE 3 END"
SENDER = "'person' || (n % 5000) || '@shop.test'"
WORDS = (
    "'message ' || n || ' about bicycle ' || (n % 9973) || ' frame ' || (n % 331)"
    " || CASE WHEN n % :frequent = 0 THEN ' common' ELSE '' END || CASE WHEN n % :middling = 7 THEN ' middling' ELSE '' END"
    " || CASE WHEN n % :every = 3 THEN ' seldom' ELSE '' END"
)


def fill(rows: int) -> None:
    """People, mailboxes, messages, texts and their index."""
    values = {"rows": rows, "every": rows // RARE_HITS, "middling": MIDDLING, "frequent": FREQUENT}
    workspace = Workspace(name="bench", settings={})
    db.session.add(workspace)
    db.session.flush()
    for email in ("box1@bench.test", "box2@bench.test", "box3@bench.test", *[f"spare{n}@bench.test" for n in range(5)], "box9@bench.test"):
        make_mailbox(workspace.id, email, commit=False)
    db.session.add(RawMessage(sha256="x", size_bytes=1))
    db.session.flush()
    insert("messages", _message(), values)
    if is_sqlite():
        insert("message_texts", _text(), values)
        execute("INSERT INTO message_fts (message_fts) VALUES ('optimize')")
    else:
        execute("DROP INDEX ix_message_texts_words")
        words = f"array_to_tsvector(ARRAY['@w1', '@m' || ({MAILBOX})]) || to_tsvector('simple', {WORDS})"
        insert("message_texts", {**_text(), "words": words}, values)
        execute("CREATE INDEX ix_message_texts_words ON message_texts USING gin (words)")
    for kind in ("messages", "messages:inbox", "messages:1"):
        execute("INSERT INTO counters (workspace_id, name, number) VALUES (1, :kind, :rows)", {"kind": kind, "rows": rows})
    db.session.commit()
    begin_writing()
    execute("ANALYZE")
    db.session.commit()
    if not is_sqlite():
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE messages"))
            connection.execute(text("VACUUM ANALYZE message_texts"))


def _message() -> dict[str, str]:
    """Column -> expression over n."""
    sqlite = is_sqlite()
    no, yes, empty = ("0", "1", "'[]'") if sqlite else ("false", "true", "'[]'::jsonb")
    moment = "datetime('2020-01-01', '+' || n || ' minutes') || '.000000'"
    moment = moment if sqlite else "timestamptz '2020-01-01' + n * interval '1 minute'"
    return {
        "id": "n", "workspace_id": "1", "mailbox_id": MAILBOX, "direction": "CASE WHEN n % 10 = 1 THEN 'sent' ELSE 'received' END",
        "state": "'processed'", "raw_id": "1", "envelope_sender": SENDER, "envelope_recipients": empty, "sender": SENDER,
        "sender_name": "''", "receivers_text": "'box@bench.test'", "cc_text": "''", "subject": "'Subject ' || n", "size_bytes": "2000",
        "has_attachments": no,
        "attachments": empty, "preview": "'preview'", "folder": "CASE WHEN n % 10 = 1 THEN NULL ELSE 'INBOX' END", "seen": yes,
        "quarantined": no, "trusted": yes, "is_system": no, "is_test": no, "parse_limited": no, "deaths": "0", "created_at": moment,
        "updated_at": moment, "date": moment,
    }  # fmt: skip


def _text() -> dict[str, str]:
    return {
        "message_id": "n", "scope": f"'w1 m' || ({MAILBOX})", "subject": "'Subject ' || n", "sender": SENDER,
        "receivers": "'box@bench.test'", "files": "''", "body": WORDS,
    }  # fmt: skip


def insert(table: str, columns: dict[str, str], values: dict[str, Any]) -> None:
    """A row for each n from 1 to :rows."""
    series = "SELECT generate_series(1, :rows)"
    if is_sqlite():
        series = "SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :rows"
    expressions = ", ".join(columns.values())
    execute(f"INSERT INTO {table} ({', '.join(columns)}) WITH RECURSIVE s(n) AS ({series}) SELECT {expressions} FROM s", values)


def execute(statement: str, values: dict[str, Any] | None = None) -> None:
    used = {name: value for name, value in (values or {}).items() if f":{name}" in statement}
    db.session.execute(text(statement), used)


class Plans:
    """Collects what a call asks, and explains it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def listen(self, _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        self.asked.append((statement, parameters))

    def explain(self) -> list[str]:
        lines = []
        prefix = "EXPLAIN QUERY PLAN " if is_sqlite() else "EXPLAIN (COSTS OFF) "
        for statement, parameters in self.asked:
            if not statement.lstrip().upper().startswith(("SELECT", "WITH")) or "counters" in statement:
                continue
            found = db.session.connection().exec_driver_sql(prefix + statement, parameters)
            lines.append(" ".join(statement.split())[:110] + " …")
            lines += [f"      {row[-1] if is_sqlite() else row[0]}" for row in found]
        return lines


def timed(label: str, call: Callable[[], Any], show_plan: bool) -> float:
    """Median and worst of 30 calls, each in a reading transaction of its own."""
    plans = Plans()
    event.listen(db.engine, "before_cursor_execute", plans.listen)
    begin_reading()
    page = call()
    event.remove(db.engine, "before_cursor_execute", plans.listen)
    seconds = []
    for _ in range(30):
        db.session.rollback()
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    median = statistics.median(seconds) * 1000
    total = f"{page.total}{'+' if page.total_is_capped else ''}"
    worst, found = max(seconds) * 1000, f"{len(page.items):3} rows, total {total}, {len(plans.asked)} statements"
    print(f"  {label:48} {median:8.2f} ms  worst {worst:8.2f}   {found}")
    if show_plan:
        for line in plans.explain():
            print(f"      {line}")
    db.session.rollback()
    return median


def measure(rows: int, show_plan: bool) -> None:
    actor = Actor(type="token", workspace_id=1, role="owner", scopes=frozenset({"*"}))

    def ask(mailbox: int | None = None, position: int | None = None, **filters: Any) -> Callable[[], Any]:
        cursor = None if position is None else write_cursor([position], True)
        return lambda: service.list_archive(actor, mailbox, filters, PageRequest(cursor=cursor))

    first = timed("first page of a mailbox", ask(1), show_plan)
    deep = timed("keyset page at the middle of it", ask(1, position=rows // 2), show_plan)
    print(f"    deep to first: {deep / first:.2f} (goal < 1.3)")
    timed("first page of the workspace", ask(), show_plan)
    timed("inbox of the workspace", ask(folder="INBOX"), show_plan)
    timed("sent mail of a mailbox", ask(1, direction="sent"), show_plan)
    timed("search, rare word", ask(search="seldom"), show_plan)
    timed("search, rare word in a mailbox", ask(1, search="seldom"), show_plan)
    timed("search, word in one of a thousand", ask(search="middling"), show_plan)
    timed("search, frequent word", ask(search="common"), show_plan)
    timed("search, frequent word, deep page", ask(search="common", position=rows // 2), show_plan)
    timed("search, frequent word in a small mailbox", ask(9, search="common"), show_plan)
    timed("search, three words", ask(search="common bicycle frame"), show_plan)
    timed("search, a phrase", ask(search='"about bicycle"'), show_plan)
    timed("search, nothing", ask(search="nothingofthekind"), show_plan)
    timed("part of a subject, found early", ask(1, subject="subject 99"), show_plan)
    timed("part of a subject, found nowhere (gives up)", ask(1, subject="nowhere"), show_plan)


def run(url: str, rows: int, show_plan: bool) -> None:
    with tempfile.TemporaryDirectory() as home:
        url = url or f"sqlite:///{home}/bench.sqlite"
        given = {"MAILROOM_INSTANCE": home, "DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:1/0", "MAILROOM_SECRET_KEY": "bench " * 8}
        app = create_app(load_settings(given, dotenv=None))
        migrate.upgrade(app)
        with app.app_context():
            begin_writing()
            began = time.perf_counter()
            fill(rows)
            size = sum(file.stat().st_size for file in Path(home).glob("bench.sqlite*")) / 2**20
            print(f"{db.engine.dialect.name}: {rows:,} messages in {time.perf_counter() - began:.0f} s{f', {size:.0f} MB' if size else ''}")
            measure(rows, show_plan)
            db.session.remove()
            db.engine.dispose()


def main() -> None:
    """Both databases; PostgreSQL as a cluster of our own that goes again."""
    run("", 1_000_000, False)
    server = PostgresServer(Path(tempfile.gettempdir()))
    try:
        run(server.create("bench"), 1_000_000, False)
    finally:
        server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--postgres", help="URL of an empty PostgreSQL database")
    parser.add_argument("--plans", action="store_true", help="print EXPLAIN of every statement")
    chosen = parser.parse_args()
    run("", chosen.rows, chosen.plans)
    if chosen.postgres:
        run(chosen.postgres, chosen.rows, chosen.plans)
