"""The fingerprint of the installation: where its database lies, and since when nothing leaves it."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import Json, UTCDateTime

revision = "20261121_1080"
down_revision = "20261121_1060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("installation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("place", Json, nullable=False),
        sa.Column("placed_at", UTCDateTime(), nullable=False),
        sa.Column("still_since", UTCDateTime(), nullable=True),
        sa.Column("still_why", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )


def downgrade() -> None:
    op.drop_table("installation")
