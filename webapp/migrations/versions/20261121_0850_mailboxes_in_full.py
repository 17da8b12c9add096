"""Changes of: mailboxes in full. Mails by the minute, warnings, what the search box looks through, orders over many rows."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, Json, UTCDateTime

revision = "20261121_0850"
down_revision = "20261121_0840"
branch_labels = None
depends_on = None

FILLING = sa.text("filling IS NOT NULL")
WORDS = "lower(email || coalesce(char(10) || display_name, '') || coalesce(char(10) || note, ''))"


def upgrade() -> None:
    op.add_column("mailboxes", sa.Column("search_text", sa.String(), nullable=False, server_default=""))
    op.add_column("mailboxes", sa.Column("filling", sa.String(), nullable=True))
    op.add_column("mailboxes", sa.Column("counted_at", UTCDateTime(), nullable=True))
    postgres = op.get_bind().dialect.name == "postgresql"
    op.execute(sa.text(f"UPDATE mailboxes SET search_text = {WORDS.replace('char(', 'chr(') if postgres else WORDS}"))  # noqa: S608  # constants
    op.create_index("ix_mailboxes_filling", "mailboxes", ["workspace_id", "filling", "id"], sqlite_where=FILLING, postgresql_where=FILLING)
    op.create_index("ix_mailboxes_counted_at", "mailboxes", ["counted_at"])
    op.create_table(
        "mailbox_minutes",
        sa.Column("mailbox_id", BigInt, nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("minute", BigInt, autoincrement=False, nullable=False),
        sa.Column("number", BigInt, nullable=False),
        sa.Column("last_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_mailbox_minutes_mailbox_id_mailboxes"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("mailbox_id", "direction", "minute", name=op.f("pk_mailbox_minutes")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mailbox_minutes_minute", "mailbox_minutes", ["minute"], unique=False)
    op.create_table(
        "mailbox_warnings",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("mailbox_id", BigInt, nullable=False),
        sa.Column("limit_name", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("used", BigInt, nullable=False),
        sa.Column("allowed", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("told_at", UTCDateTime(), nullable=True),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_mailbox_warnings_mailbox_id_mailboxes"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_mailbox_warnings_workspace_id_workspaces"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailbox_warnings")),
        sa.UniqueConstraint(
            "mailbox_id", "limit_name", "level", "period", name=op.f("uq_mailbox_warnings_mailbox_id_limit_name_level_period")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_mailbox_warnings_created_at"), "mailbox_warnings", ["created_at"], unique=False)
    op.create_index(
        "ix_mailbox_warnings_waiting",
        "mailbox_warnings",
        ["id"],
        unique=False,
        sqlite_where=sa.text("told_at IS NULL"),
        postgresql_where=sa.text("told_at IS NULL"),
    )
    op.create_index(op.f("ix_mailbox_warnings_workspace_id"), "mailbox_warnings", ["workspace_id"], unique=False)
    op.create_table(
        "pick_changes",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("user_id", BigInt, nullable=True),
        sa.Column("ip", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("total", BigInt, nullable=False),
        sa.Column("changed", BigInt, nullable=False),
        sa.Column("skipped", BigInt, nullable=False),
        sa.Column("undone", BigInt, nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_pick_changes_user_id_users"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_pick_changes_workspace_id_workspaces"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pick_changes")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_pick_changes_unfinished",
        "pick_changes",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state IN ('running', 'undoing')"),
        postgresql_where=sa.text("state IN ('running', 'undoing')"),
    )
    op.create_index(op.f("ix_pick_changes_workspace_id"), "pick_changes", ["workspace_id"], unique=False)
    op.create_table(
        "pick_rows",
        sa.Column("change_id", BigInt, nullable=False),
        sa.Column("row_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("state", BigInt, nullable=False),
        sa.Column("before", Json, nullable=True),
        sa.ForeignKeyConstraint(["change_id"], ["pick_changes.id"], name=op.f("fk_pick_rows_change_id_pick_changes"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("change_id", "row_id", name=op.f("pk_pick_rows")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("pick_rows")
    op.drop_table("pick_changes")
    op.drop_table("mailbox_warnings")
    op.drop_table("mailbox_minutes")
    op.drop_index("ix_mailboxes_counted_at", "mailboxes")
    op.drop_index("ix_mailboxes_filling", "mailboxes")
    for name in ("counted_at", "filling", "search_text"):
        op.drop_column("mailboxes", name)
