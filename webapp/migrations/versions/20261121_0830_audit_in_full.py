"""Changes of: audit in full.

Every filter of the log has its index, words of names have one of their own (FTS5 or tsvector), and the head of a chain knows what is
kept, what was removed from its front, and the last signed checkpoint.
"""

import re
import unicodedata
from typing import Any

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, UTCDateTime

revision = "20261121_0830"
down_revision = "20261121_0820"
branch_labels = None
depends_on = None

ENTRIES, HEADS = "audit_entries", "audit_heads"
INDEXES = {
    "ix_audit_entries_workspace_id_family_id": (["workspace_id", "family", "id"], None),
    "ix_audit_entries_workspace_id_target_type_id": (["workspace_id", "target_type", "id"], None),
    "ix_audit_entries_workspace_id_actor_type_id": (["workspace_id", "actor_type", "id"], None),
    "ix_audit_entries_workspace_id_at": (["workspace_id", "at"], None),
    "ix_audit_entries_token_id": (["workspace_id", "token_id", "id"], "token_id IS NOT NULL"),
    "ix_audit_entries_ip": (["workspace_id", "ip", "id"], "ip IS NOT NULL"),
    "ix_audit_entries_request_id": (["workspace_id", "request_id", "id"], "request_id IS NOT NULL"),
    "ix_audit_entries_refused": (["workspace_id", "id"], "result = 'refused'"),
}
NUMBERS = ("by_user", "by_token", "by_mailbox", "by_system", "refused", "set_back_us", "cut_position", "checkpoint_count", "verified_position")
TIMES = ("latest_at", "cut_at", "checkpoint_at", "verify_asked_at", "verified_at")
OTHERS = ("keep_days", "cut_hash", "fault")
COUNT = """
    UPDATE audit_heads SET (by_user, by_token, by_mailbox, by_system, refused) = (
        SELECT coalesce(sum(CASE WHEN actor_type = 'user' THEN 1 ELSE 0 END), 0),
            coalesce(sum(CASE WHEN actor_type = 'token' THEN 1 ELSE 0 END), 0),
            coalesce(sum(CASE WHEN actor_type = 'mailbox' THEN 1 ELSE 0 END), 0),
            coalesce(sum(CASE WHEN actor_type = 'system' THEN 1 ELSE 0 END), 0),
            coalesce(sum(CASE WHEN result = 'refused' THEN 1 ELSE 0 END), 0)
        FROM audit_entries WHERE workspace_id = :whose)
    WHERE workspace_id = :whose
"""
LATEST = """
    UPDATE audit_heads SET latest_at = (SELECT max(at) FROM audit_entries WHERE workspace_id = :whose) WHERE workspace_id = :whose
"""
# A second more than was seen, because SQLite's days are no exact numbers.
SET_BACK_SQLITE = """
    UPDATE audit_heads SET set_back_us = coalesce((
        SELECT CASE WHEN max(high - moment) > 0 THEN CAST(max(high - moment) * 86400 + 1 AS integer) * 1000000 ELSE 0 END
        FROM (SELECT julianday(at) AS moment, max(julianday(at)) OVER (ORDER BY id) AS high FROM audit_entries WHERE workspace_id = :whose)
    ), 0) WHERE workspace_id = :whose
"""
SET_BACK = """
    UPDATE audit_heads SET set_back_us = coalesce((
        SELECT CASE WHEN max(high - at) > interval '0' THEN (extract(epoch FROM max(high - at))::bigint + 1) * 1000000 ELSE 0 END
        FROM (SELECT at, max(at) OVER (ORDER BY id) AS high FROM audit_entries WHERE workspace_id = :whose) AS seen
    ), 0) WHERE workspace_id = :whose
"""
READ = "SELECT id, workspace_id, actor_name, token_name, target_name FROM audit_entries WHERE id > :after ORDER BY id LIMIT 1000"
PUT_FTS5 = "INSERT INTO audit_fts (rowid, scope, actor, target) VALUES (:id, :scope, :actor, :target)"
PUT_TSVECTOR = "INSERT INTO audit_words (entry_id, words) VALUES (:id, array_to_tsvector(CAST(:words AS text[])))"


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.add_column(ENTRIES, sa.Column("family", sa.String(), nullable=False, server_default=""))
    if sqlite:
        op.execute("UPDATE audit_entries SET family = substr(action, 1, instr(action || '.', '.') - 1)")
    else:
        op.execute("UPDATE audit_entries SET family = split_part(action, '.', 1)")
    op.drop_index("ix_audit_entries_workspace_id_token_id_id", ENTRIES)
    for name, (columns, where) in INDEXES.items():
        condition = None if where is None else sa.text(where)
        op.create_index(name, ENTRIES, columns, sqlite_where=condition, postgresql_where=condition)
    for name in NUMBERS:
        op.add_column(HEADS, sa.Column(name, BigInt, nullable=False, server_default="0"))
    for name in TIMES:
        op.add_column(HEADS, sa.Column(name, UTCDateTime(), nullable=True))
    op.add_column(HEADS, sa.Column("keep_days", BigInt, nullable=True))
    op.add_column(HEADS, sa.Column("cut_hash", sa.String(), nullable=False, server_default="0" * 64))
    op.add_column(HEADS, sa.Column("fault", sa.Text(), nullable=True))
    _fill_heads(sqlite)
    if sqlite:
        op.execute(
            "CREATE VIRTUAL TABLE audit_fts USING fts5(scope, actor, target, content='', detail=column, prefix='2 3', "
            "tokenize='unicode61 remove_diacritics 0')"
        )
    else:
        op.execute(
            "CREATE TABLE audit_words (entry_id bigint PRIMARY KEY REFERENCES audit_entries (id) ON DELETE CASCADE, words tsvector NOT NULL)"
        )
        op.execute("CREATE INDEX ix_audit_words_words ON audit_words USING gin (words)")
    _fill_words(sqlite)


def _fill_heads(sqlite: bool) -> None:
    for head in op.get_bind().execute(sa.text("SELECT workspace_id FROM audit_heads")).scalars().all():
        values = {"whose": head}
        for statement in (COUNT, LATEST, SET_BACK_SQLITE if sqlite else SET_BACK):
            op.get_bind().execute(sa.text(statement), values)


def _fill_words(sqlite: bool) -> None:
    """The words of the entries that are there already."""
    connection, after = op.get_bind(), 0
    while rows := connection.execute(sa.text(READ), {"after": after}).all():
        values: list[dict[str, Any]] = []
        for row in rows:
            actor, target = _words(f"{row.actor_name} {row.token_name or ''}"), _words(row.target_name)
            if sqlite:
                values.append({"id": row.id, "scope": f"w{row.workspace_id}", "actor": " ".join(actor), "target": " ".join(target)})
            else:
                words = {f"@w{row.workspace_id}", *[f"@{word}" for word in actor], *actor, *target}
                values.append({"id": row.id, "words": sorted(words)})
        connection.execute(sa.text(PUT_FTS5 if sqlite else PUT_TSVECTOR), values)
        after = rows[-1].id


def _words(line: str) -> list[str]:
    signs = unicodedata.normalize("NFKC", line)
    bare = "".join(first if (first := unicodedata.normalize("NFD", sign)[0]).isascii() else sign for sign in signs)
    return [word[:100] for word in re.findall(r"[^\W_]+", bare.casefold())]


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE audit_fts")
    else:
        op.execute("DROP TABLE audit_words")
    for name in (*NUMBERS, *TIMES, *OTHERS):
        op.drop_column(HEADS, name)
    for name in INDEXES:
        op.drop_index(name, ENTRIES)
    op.create_index("ix_audit_entries_workspace_id_token_id_id", ENTRIES, ["workspace_id", "token_id", "id"])
    op.drop_column(ENTRIES, "family")
