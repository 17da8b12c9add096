"""The request catcher: an address of the workspace's own that takes any HTTP request and shows it."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, Json, UTCDateTime

revision = "20261121_0880"
down_revision = "20261121_0870"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "catchers",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_catchers_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catchers")),
        sa.UniqueConstraint("key", name=op.f("uq_catchers_key")),
        sa.UniqueConstraint("workspace_id", name=op.f("uq_catchers_workspace_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "caught_requests",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("query", sa.String(), nullable=False),
        sa.Column("headers", Json, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("size_bytes", BigInt, nullable=False),
        sa.Column("answered", BigInt, nullable=False),
        sa.Column("ip", sa.String(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_caught_requests_workspace_id_workspaces"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caught_requests")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_caught_requests_newest", "caught_requests", ["workspace_id", "id"], unique=False)


def downgrade() -> None:
    op.drop_table("caught_requests")
    op.drop_table("catchers")
