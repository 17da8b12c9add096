"""Tables of: messages. Full-text search is FTS5 over `message_texts` on SQLite, a `tsvector` with GIN beside it on PostgreSQL."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, Json, UTCDateTime

revision = "20261121_0520"
down_revision = "20261121_0510"
branch_labels = None
depends_on = None

FTS5 = """
CREATE VIRTUAL TABLE message_fts USING fts5(
    scope, subject, sender, receivers, files, body,
    content='message_texts', content_rowid='message_id', tokenize='unicode61 remove_diacritics 2')
"""
ADD = """
    INSERT INTO message_fts(rowid, scope, subject, sender, receivers, files, body)
    VALUES (new.message_id, new.scope, new.subject, new.sender, new.receivers, new.files, new.body);
"""
REMOVE = """
    INSERT INTO message_fts(message_fts, rowid, scope, subject, sender, receivers, files, body)
    VALUES ('delete', old.message_id, old.scope, old.subject, old.sender, old.receivers, old.files, old.body);
"""


def upgrade() -> None:
    op.create_table(
        "raw_messages",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size_bytes", BigInt, nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=True),
        sa.Column("blob_key", sa.String(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_raw_messages")),
        sa.UniqueConstraint("sha256", name=op.f("uq_raw_messages_sha256")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "messages",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("mailbox_id", BigInt, nullable=True),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("raw_id", BigInt, nullable=False),
        sa.Column("envelope_sender", sa.String(), nullable=False),
        sa.Column("envelope_recipients", Json, nullable=False),
        sa.Column("recipient", sa.String(), nullable=True),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("sender_name", sa.String(), nullable=False),
        sa.Column("receivers_text", sa.Text(), nullable=False),
        sa.Column("cc_text", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("message_id_header", sa.String(), nullable=True),
        sa.Column("in_reply_to", sa.String(), nullable=True),
        sa.Column("date", UTCDateTime(), nullable=True),
        sa.Column("size_bytes", BigInt, nullable=False),
        sa.Column("has_attachments", sa.Boolean(), nullable=False),
        sa.Column("attachments", Json, nullable=False),
        sa.Column("preview", sa.String(), nullable=False),
        sa.Column("folder", sa.String(), nullable=True),
        sa.Column("seen", sa.Boolean(), nullable=False),
        sa.Column("quarantined", sa.Boolean(), nullable=False),
        sa.Column("auth_verdict", Json, nullable=True),
        sa.Column("trusted", sa.Boolean(), nullable=False),
        sa.Column("is_system", sa.Boolean(), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("parse_limited", sa.Boolean(), nullable=False),
        sa.Column("processed_at", UTCDateTime(), nullable=True),
        sa.Column("filed_at", UTCDateTime(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("delivery_state", sa.String(), nullable=True),
        sa.Column("ip", sa.String(), nullable=True),
        sa.Column("login", sa.String(), nullable=True),
        sa.Column("helo", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("deaths", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("deleted_at", UTCDateTime(), nullable=True),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_messages_mailbox_id_mailboxes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["raw_id"], ["raw_messages.id"], name=op.f("fk_messages_raw_id_raw_messages")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_messages_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sqlite_autoincrement=True,
    )
    _index("ix_messages_captured", ["workspace_id", "id"], "deleted_at IS NULL AND delivery_state = 'captured'")
    _index("ix_messages_is_test", ["workspace_id", "id"], "deleted_at IS NULL AND is_test")
    _index("ix_messages_mailbox_id_folder_id", ["mailbox_id", "folder", "id"], "deleted_at IS NULL AND folder IS NOT NULL")
    _index("ix_messages_mailbox_id_id", ["mailbox_id", "id"], "deleted_at IS NULL")
    _index("ix_messages_mailbox_id_sent", ["mailbox_id", "id"], "deleted_at IS NULL AND direction = 'sent'")
    _index("ix_messages_quarantined", ["workspace_id", "id"], "deleted_at IS NULL AND quarantined")
    _index("ix_messages_raw_id", ["raw_id"], None)
    _index("ix_messages_trash", ["deleted_at"], "deleted_at IS NOT NULL")
    _index("ix_messages_waiting", ["id"], "state = 'received'")
    _index("ix_messages_workspace_id_folder_id", ["workspace_id", "folder", "id"], "deleted_at IS NULL AND folder IS NOT NULL")
    _index("ix_messages_workspace_id_id", ["workspace_id", "id"], "deleted_at IS NULL")
    _index("ix_messages_workspace_id_sent", ["workspace_id", "id"], "deleted_at IS NULL AND direction = 'sent'")
    op.create_table(
        "message_texts",
        sa.Column("message_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("receivers", sa.Text(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_message_texts_message_id_messages"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_message_texts")),
    )
    if op.get_bind().dialect.name == "sqlite":
        _fts5()
    else:
        op.execute("ALTER TABLE message_texts ADD COLUMN words tsvector")
        op.execute("CREATE INDEX ix_message_texts_words ON message_texts USING gin (words)")


def _index(name: str, columns: list[str], where: str | None) -> None:
    condition = None if where is None else sa.text(where)
    op.create_index(name, "messages", columns, sqlite_where=condition, postgresql_where=condition)


def _fts5() -> None:
    """An index whose content is `message_texts`; triggers keep both alike. (Contentless tables cannot delete before SQLite 3.43.)"""
    op.execute(FTS5)
    for name, event, steps in (("added", "INSERT", ADD), ("removed", "DELETE", REMOVE), ("changed", "UPDATE", REMOVE + ADD)):
        op.execute(f"CREATE TRIGGER message_texts_{name} AFTER {event} ON message_texts BEGIN {steps} END")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE message_fts")
    for table in ("message_texts", "messages", "raw_messages"):
        op.drop_table(table)
