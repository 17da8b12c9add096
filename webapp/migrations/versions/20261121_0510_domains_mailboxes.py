"""Tables of: domains, mailboxes."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, Json, UTCDateTime

revision = "20261121_0510"
down_revision = "20261121_0500"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "domains",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("verified_at", UTCDateTime(), nullable=True),
        sa.Column("verified_by_hand", sa.Boolean(), nullable=False),
        sa.Column("verify_token", sa.String(), nullable=False),
        sa.Column("last_checked_at", UTCDateTime(), nullable=True),
        sa.Column("last_check", Json, nullable=True),
        sa.Column("dkim_selector", sa.String(), nullable=False),
        sa.Column("dkim_private", sa.Text(), nullable=False),
        sa.Column("dkim_public", sa.Text(), nullable=False),
        sa.Column("catch_all_enabled", sa.Boolean(), nullable=False),
        sa.Column("catch_all_destination", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("mailbox_count", BigInt, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("deleted_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_domains_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domains")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_domains_workspace_id"), "domains", ["workspace_id"], unique=False)
    op.create_index("ix_domains_workspace_id_name", "domains", ["workspace_id", "name"], unique=False)
    op.create_index(
        "uq_domains_name_living",
        "domains",
        ["name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "mailboxes",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("domain_id", BigInt, nullable=False),
        sa.Column("local_part", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=True),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("can_receive", sa.Boolean(), nullable=False),
        sa.Column("can_send", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("hourly_limit", BigInt, nullable=True),
        sa.Column("daily_limit", BigInt, nullable=True),
        sa.Column("total_limit", BigInt, nullable=True),
        sa.Column("max_message_bytes", BigInt, nullable=False),
        sa.Column("storage_limit_bytes", BigInt, nullable=True),
        sa.Column("archive_enabled", sa.Boolean(), nullable=False),
        sa.Column("archive_retention_days", BigInt, nullable=True),
        sa.Column("default_delivery", sa.String(), nullable=False),
        sa.Column("log_level", sa.String(), nullable=False),
        sa.Column("allow_unauthenticated", sa.Boolean(), nullable=False),
        sa.Column("is_system", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("deleted_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["domain_id"], ["domains.id"], name=op.f("fk_mailboxes_domain_id_domains"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_mailboxes_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailboxes")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mailboxes_domain_id_email", "mailboxes", ["domain_id", "email"], unique=False)
    op.create_index(op.f("ix_mailboxes_workspace_id"), "mailboxes", ["workspace_id"], unique=False)
    op.create_index("ix_mailboxes_workspace_id_email", "mailboxes", ["workspace_id", "email"], unique=False)
    op.create_index("ix_mailboxes_workspace_id_status_id", "mailboxes", ["workspace_id", "status", "id"], unique=False)
    op.create_index(
        "uq_mailboxes_email_living",
        "mailboxes",
        ["email"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("mailboxes")
    op.drop_table("domains")
