"""Hosts that asked us to slow down, MTA-STS policies of other domains, and what TLS an attempt had."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, Json, UTCDateTime

revision = "20261121_0950"
down_revision = "20261121_0940"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("tls", sa.String(), nullable=True))
    op.create_table(
        "destinations",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("level", BigInt, nullable=False),
        sa.Column("paused_until", UTCDateTime(), nullable=True),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.Column("minute_at", UTCDateTime(), nullable=True),
        sa.Column("used", BigInt, nullable=False),
        sa.Column("reply", sa.String(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_destinations")),
        sa.UniqueConstraint("name", name=op.f("uq_destinations_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tls_policies",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("policy_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("mx", Json, nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("tried_at", UTCDateTime(), nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("failures", BigInt, nullable=False),
        sa.Column("last_failure", sa.String(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tls_policies")),
        sa.UniqueConstraint("domain", name=op.f("uq_tls_policies_domain")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("tls_policies")
    op.drop_table("destinations")
    op.drop_column("attempts", "tls")
