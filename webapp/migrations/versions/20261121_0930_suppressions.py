"""The suppression list, and what a bounce was about."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, UTCDateTime

revision = "20261121_0930"
down_revision = "20261121_0920"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "suppressions",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("address", sa.String(), nullable=True),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("key_mark", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("added_by", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("said", sa.String(), nullable=True),
        sa.Column("delivery_id", BigInt, nullable=True),
        sa.Column("event_id", BigInt, nullable=True),
        sa.Column("message_id", BigInt, nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_suppressions_workspace_id_workspaces"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
        sa.UniqueConstraint("workspace_id", "hash", "reason", "scope", name=op.f("uq_suppressions_workspace_id_hash_reason_scope")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_suppressions_workspace_id_id", "suppressions", ["workspace_id", "id"])
    op.create_index(
        "ix_suppressions_workspace_id_address_id", "suppressions", ["workspace_id", "address", "id"],
        postgresql_ops={"address": "text_pattern_ops"},
    )  # fmt: skip
    op.create_index("ix_suppressions_workspace_id_reason_id", "suppressions", ["workspace_id", "reason", "id"])
    op.create_index("ix_suppressions_key_mark_id", "suppressions", ["key_mark", "id"])
    op.add_column("deliveries", sa.Column("bounce_class", sa.String(), nullable=True))
    op.create_index("ix_outgoing_workspace_id_message_id_header", "outgoing", ["workspace_id", "message_id_header"])


def downgrade() -> None:
    op.drop_index("ix_outgoing_workspace_id_message_id_header", table_name="outgoing")
    op.drop_column("deliveries", "bounce_class")
    op.drop_table("suppressions")
