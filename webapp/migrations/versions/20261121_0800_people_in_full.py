"""Changes of: people in full. Invitations, asked-for password links, suspended members, deleted workspaces."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, UTCDateTime

revision = "20261121_0800"
down_revision = "20261121_0540"
branch_labels = None
depends_on = None

OPEN = sa.text("accepted_at IS NULL AND revoked_at IS NULL")


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("deleted_at", UTCDateTime(), nullable=True))
    op.add_column("memberships", sa.Column("suspended_at", UTCDateTime(), nullable=True))
    op.create_table(
        "invitations",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("inviter_id", BigInt, nullable=True),
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.Column("sent_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("accepted_at", UTCDateTime(), nullable=True),
        sa.Column("accepted_by_id", BigInt, nullable=True),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["accepted_by_id"], ["users.id"], name=op.f("fk_invitations_accepted_by_id_users"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["inviter_id"], ["users.id"], name=op.f("fk_invitations_inviter_id_users"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_invitations_workspace_id_workspaces"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_invitations_secret_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_invitations_inviter_id"), "invitations", ["inviter_id"], unique=False)
    op.create_index(op.f("ix_invitations_workspace_id"), "invitations", ["workspace_id"], unique=False)
    op.create_index(
        "uq_invitations_open", "invitations", ["workspace_id", "email"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN
    )  # fmt: skip
    op.create_table(
        "reset_requests",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.Column("ip", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reset_requests")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("reset_requests")
    op.drop_table("invitations")
    op.drop_column("memberships", "suspended_at")
    op.drop_column("workspaces", "deleted_at")
