"""Tokens: rotation with an overlap, the log of each token, and which scopes it used."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, Json, UTCDateTime

revision = "20261121_0820"
down_revision = "20261121_0810"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_tokens", sa.Column("rotated_at", UTCDateTime(), nullable=True))
    op.add_column("api_tokens", sa.Column("replaced_by_id", BigInt, nullable=True))
    op.create_table(
        "token_calls",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("token_id", BigInt, nullable=False),
        sa.Column("at_us", BigInt, nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("status", BigInt, nullable=False),
        sa.Column("ms", BigInt, nullable=False),
        sa.Column("ip", sa.String(), nullable=True),
        sa.Column("client", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("times", BigInt, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token_calls")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_token_calls_token_id_at_us_id", "token_calls", ["token_id", "at_us", "id"], unique=False)
    op.create_table(
        "token_scope_uses",
        sa.Column("token_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("first_at", UTCDateTime(), nullable=False),
        sa.Column("last_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["token_id"], ["api_tokens.id"], name=op.f("fk_token_scope_uses_token_id_api_tokens"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_id", "scope", name=op.f("pk_token_scope_uses")),
    )


def downgrade() -> None:
    op.drop_table("token_scope_uses")
    op.drop_index("ix_token_calls_token_id_at_us_id", table_name="token_calls")
    op.drop_table("token_calls")
    op.drop_column("api_tokens", "replaced_by_id")
    op.drop_column("api_tokens", "rotated_at")
