"""Fills a database with audit entries by SQL alone, a million in about half a minute; their hashes are made up, so nothing verifies them.

Frequent and rare values stand side by side: half of the entries are by tokens, one of 50,000 by a mailbox; one of 97 was refused; `orders`
is in every fifth name, `seldom` in twenty; token 7 did a fiftieth, token 777 did twenty things and was revoked long ago.
"""

import time
from typing import Any

from sqlalchemy import text

from webapp.core.db import db, is_sqlite

SELDOM = 20
KINDS = ("domain", "route", "rule", "message")


def _columns(sqlite: bool) -> dict[str, str]:
    """Column -> expression over n."""
    moment = "datetime('2026-01-01', '+' || (n * 20) || ' seconds') || '.123456'"
    moment = moment if sqlite else "timestamptz '2026-01-01 00:00:00.123456+00' + n * interval '20 seconds'"
    actor = "CASE WHEN n % 50000 = 11 THEN 'mailbox' WHEN n % 2 = 0 THEN 'token' WHEN n % 10 = 1 THEN 'system' ELSE 'user' END"
    token = "CASE WHEN n % :every = 6 THEN 777 WHEN n % 2 = 0 THEN n / 2 % 50 + 1 END"
    choice = "CASE WHEN n % 100000 = 3 THEN '{}' WHEN n % 3 = 0 THEN '{}' WHEN n % 7 = 0 THEN '{}' ELSE '{}' END"
    action, kind = choice.format("domain.delete", "route.update", "rule.create", "message.delete"), choice.format(*KINDS)
    words = "CASE WHEN n % 5 = 0 THEN ' orders' ELSE '' END || CASE WHEN n % :every = 3 THEN ' seldom' ELSE '' END"
    hashed = "substr('00000000' || n, -8) || '" + "ab" * 28 + "'"
    hashed = hashed if sqlite else "lpad(n::text, 8, '0') || '" + "ab" * 28 + "'"
    return {
        "id": "n", "workspace_id": "1", "position": "n", "at": moment, "actor_type": actor, "actor_id": "n % 40 + 1",
        "actor_name": "'Person ' || (n % 40 + 1)", "token_id": token,
        "token_name": "CASE WHEN n % 2 = 0 THEN 'Shop ' || (n / 2 % 50 + 1) END",
        "token_last_four": "CASE WHEN n % 2 = 0 THEN 'aB3x' END", "action": action,
        "target_type": kind, "target_id": "n % 100000 + 1", "target_name": f"'Thing ' || (n % 100000 + 1) || {words}",
        "result": "CASE WHEN n % 97 = 0 THEN 'refused' ELSE 'done' END", "reason": "CASE WHEN n % 97 = 0 THEN 'needs the role admin' END",
        "before": "'{\"name\":\"before ' || n || '\",\"enabled\": true}'", "after": "'{\"name\":\"after ' || n || '\",\"enabled\": false}'",
        "ip": "CASE WHEN n % 200000 = 9 THEN '198.51.100.7' WHEN n % 10 > 1 THEN '192.0.2.' || (n % 200) END",
        "request_id": "CASE WHEN n % 10 > 1 THEN 'req_' || n END", "previous_hash": hashed, "hash": hashed,
    }  # fmt: skip


def fill(rows: int) -> float:
    """So many entries of workspace 1 into an empty log; returns the seconds it took."""
    started, sqlite = time.perf_counter(), is_sqlite()
    values = {"rows": rows, "every": max(1, rows // SELDOM)}
    columns = _columns(sqlite)
    action = columns["action"]
    columns["family"] = f"substr({action}, 1, instr({action}, '.') - 1)" if sqlite else f"split_part({action}, '.', 1)"
    series = "SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :rows" if sqlite else "SELECT generate_series(1, :rows)"
    chosen = f"WITH RECURSIVE s(n) AS ({series}) SELECT {', '.join(columns.values())} FROM s"
    _run(f"INSERT INTO audit_entries ({', '.join(columns)}) {chosen}", values)
    if sqlite:
        _run(
            "INSERT INTO audit_fts (rowid, scope, actor, target) SELECT id, 'w1', lower(actor_name || ' ' || coalesce(token_name, '')), "
            "lower(target_name) FROM audit_entries", {},
        )  # fmt: skip
    else:
        split = "string_to_array(lower({}), ' ')"
        actor, target = split.format("actor_name || coalesce(' ' || token_name, '')"), split.format("target_name")
        marked = f"(SELECT array_agg('@' || word) FROM unnest({actor}) AS word)"
        _run("DROP INDEX ix_audit_words_words", {})
        words = f"array_to_tsvector(ARRAY['@w1'] || {marked} || {actor} || {target})"
        _run(f"INSERT INTO audit_words (entry_id, words) SELECT id, {words} FROM audit_entries", {})
        _run("CREATE INDEX ix_audit_words_words ON audit_words USING gin (words)", {})
        _run("SELECT setval(pg_get_serial_sequence('audit_entries', 'id'), :rows)", values)
    counts = "(SELECT count(*) FROM audit_entries WHERE actor_type = '{}')"
    by = ", ".join(counts.format(kind) for kind in ("user", "token", "mailbox", "system"))
    _run(
        "INSERT INTO audit_heads (workspace_id, count, last_id, hash, by_user, by_token, by_mailbox, by_system, refused, latest_at, "
        f"set_back_us, cut_position, cut_hash, checkpoint_count, verified_position) SELECT 1, :rows, :rows, 'made up', {by}, "
        "(SELECT count(*) FROM audit_entries WHERE result = 'refused'), (SELECT max(at) FROM audit_entries), 0, 0, '', 0, 0",
        values,
    )
    db.session.commit()
    _run("ANALYZE", {})
    db.session.commit()
    if not sqlite:
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in ("audit_entries", "audit_words"):
                connection.execute(text(f"VACUUM ANALYZE {table}"))
    return time.perf_counter() - started


def _run(statement: str, values: dict[str, Any]) -> None:
    used = {name: value for name, value in values.items() if f":{name}" in statement}
    db.session.execute(text(statement), used)
