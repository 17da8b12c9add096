"""Segments."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, Json, UTCDateTime

revision = "20261121_1020"
down_revision = "20261121_1000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("segments",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("match", sa.String(), nullable=False),
        sa.Column("conditions", Json, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_segments_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segments")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_segments_workspace_id_name")),
        sqlite_autoincrement=True
    )
    op.create_index(op.f("ix_segments_workspace_id"), "segments", ["workspace_id"], unique=False)


def downgrade() -> None:
    op.drop_table("segments")
