"""Lists and search over 1,000,000 messages: plans and times on SQLite, and on PostgreSQL with its URL.

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

from webapp import create_app
from webapp.core import migrate
from webapp.core.actor import Actor
from webapp.core.db import begin_reading, begin_writing, db, is_sqlite
from webapp.core.paging import PageRequest, write_cursor
from webapp.messages import service
from webapp.settings import load_settings

#: of all rows: mailbox 1 has half, mailbox 2 a third and so on; mailbox 9 has 500
SMALL = 500
#: `common` stands in every fifth mail, `seldom` in twenty, `middling` in one of a thousand
FREQUENT, RARE_HITS, MIDDLING = 5, 20, 1000
COLUMNS = (
    "id, workspace_id, mailbox_id, direction, state, raw_id, envelope_sender, envelope_recipients, sender, sender_name, receivers_text, cc_text,"
    " subject, size_bytes, has_attachments, attachments, preview, folder, seen, quarantined, trusted, is_system, is_test, parse_limited, deaths,"
    " created_at, updated_at, date"
)
MAILBOX = "CASE WHEN n <= 500 THEN 9 WHEN n % 2 = 0 THEN 1 WHEN n % 3 = 0 THEN 2 ELSE 3 END"
WORDS = (
    "'message ' || n || ' about bicycle ' || (n % 9973) || ' frame ' || (n % 331) || CASE WHEN n % 5 = 0 THEN ' common' ELSE '' END"
    " || CASE WHEN n % :middling = 7 THEN ' middling' ELSE '' END || CASE WHEN n % :every = 3 THEN ' seldom' ELSE '' END"
)


def fill(rows: int) -> None:
    """People, mailboxes, messages, texts and their index."""
    sqlite = is_sqlite()
    false, true = ("0", "1") if sqlite else ("false", "true")
    now = "'2026-11-01 10:00:00.000000'" if sqlite else "timestamptz '2026-11-01 10:00:00+00'"
    moment = "datetime('2020-01-01', '+' || n || ' minutes') || '.000000'" if sqlite else "timestamptz '2020-01-01' + n * interval '1 minute'"
    empty = "'[]'" if sqlite else "'[]'::jsonb"
    series = (
        "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :rows)" if sqlite else "WITH s(n) AS (SELECT generate_series(1, :rows))"
    )
    values = {"rows": rows, "every": rows // RARE_HITS, "middling": MIDDLING}
    execute(f"INSERT INTO workspaces (id, name, settings, created_at, updated_at) VALUES (1, 'bench', '{{}}', {now}, {now})")
    execute(
        "INSERT INTO domains (id, workspace_id, name, status, verified_by_hand, verify_token, dkim_selector, dkim_private, dkim_public,"
        f" catch_all_enabled, mailbox_count, created_at, updated_at) VALUES (1, 1, 'bench.test', 'active', {false}, 't', 's', 'k', 'p', {false}, 9, {now}, {now})"
    )
    for number in (1, 2, 3, 9):
        execute(
            "INSERT INTO mailboxes (id, workspace_id, domain_id, local_part, email, password_hash, can_receive, can_send, status, max_message_bytes,"
            " archive_enabled, default_delivery, log_level, allow_unauthenticated, is_system, created_at, updated_at) VALUES"
            f" ({number}, 1, 1, 'box{number}', 'box{number}@bench.test', 'x', {true}, {true}, 'active', 1000000, {true}, 'deliver', 'normal', {false},"
            f" {false}, {now}, {now})"
        )
    execute(f"INSERT INTO raw_messages (id, sha256, size_bytes, created_at) VALUES (1, 'x', 1, {now})")
    execute(
        f"INSERT INTO messages ({COLUMNS}) {series if not sqlite else ''} {'' if not sqlite else series}"
        f" SELECT n, 1, {MAILBOX}, CASE WHEN n % 10 = 1 THEN 'sent' ELSE 'received' END, 'processed', 1, 'a@b.test', {empty}, 'person' || (n % 5000) ||"
        f" '@shop.test', '', 'box@bench.test', '', 'Subject ' || n, 2000, {false}, {empty}, 'preview', CASE WHEN n % 10 = 1 THEN NULL ELSE 'INBOX' END,"
        f" {true}, {false}, {true}, {false}, {false}, {false}, 0, {moment}, {now}, {moment} FROM s".replace("  ", " "),
        values,
    )
    if sqlite:
        execute(
            f"INSERT INTO message_texts (message_id, scope, subject, sender, receivers, files, body) {series}"
            f" SELECT n, 'w1 m' || ({MAILBOX}), 'Subject ' || n, 'person' || (n % 5000) || '@shop.test', 'box@bench.test', '', {WORDS} FROM s",
            values,
        )
        execute("INSERT INTO message_fts (message_fts) VALUES ('optimize')")
    else:
        execute("DROP INDEX ix_message_texts_words")
        execute(
            f"INSERT INTO message_texts (message_id, scope, subject, sender, receivers, files, body, words) {series}"
            f" SELECT n, 'w1 m' || ({MAILBOX}), 'Subject ' || n, 'person' || (n % 5000) || '@shop.test', 'box@bench.test', '', {WORDS},"
            f" array_to_tsvector(ARRAY['@w1', '@m' || ({MAILBOX})]) || to_tsvector('simple', {WORDS}) FROM s",
            values,
        )
        execute("CREATE INDEX ix_message_texts_words ON message_texts USING gin (words)")
    for kind in ("messages", "messages:inbox", "messages:1"):
        execute("INSERT INTO counters (workspace_id, name, number) VALUES (1, :kind, :rows)", {"kind": kind, "rows": rows})
    db.session.commit()
    begin_writing()
    execute("ANALYZE")
    db.session.commit()
    if not sqlite:
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE messages"))
            connection.execute(text("VACUUM ANALYZE message_texts"))


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
    print(f"  {label:48} {median:8.2f} ms  worst {max(seconds) * 1000:8.2f}   {len(page.items):3} rows, total {total}, {len(plans.asked)} statements")
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
        settings = load_settings(
            {"MAILROOM_INSTANCE": home, "DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:1/0", "MAILROOM_SECRET_KEY": "bench " * 8}, dotenv=None
        )
        app = create_app(settings)
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--postgres", help="URL of an empty PostgreSQL database")
    parser.add_argument("--plans", action="store_true", help="print EXPLAIN of every statement")
    chosen = parser.parse_args()
    run("", chosen.rows, chosen.plans)
    if chosen.postgres:
        run(chosen.postgres, chosen.rows, chosen.plans)
