"""Changes of: second factor. Its seed and recovery codes, the rule of a workspace, and when a browser's person last proved to be there."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, UTCDateTime

revision = "20261121_0810"
down_revision = "20261121_0800"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("second_factor_required", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("login_sessions", sa.Column("confirmed_at", UTCDateTime(), nullable=True))
    op.create_table(
        "second_factors",
        sa.Column("user_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("last_step", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_second_factors_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_second_factors")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("user_id", BigInt, nullable=False),
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("used_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sa.UniqueConstraint("user_id", "code_hash", name=op.f("uq_recovery_codes_user_id_code_hash")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("recovery_codes")
    op.drop_table("second_factors")
    op.drop_column("login_sessions", "confirmed_at")
    op.drop_column("workspaces", "second_factor_required")
