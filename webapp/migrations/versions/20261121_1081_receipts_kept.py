"""Receipts of erasures know whether they lie outside of the database too."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import UTCDateTime

revision = "20261121_1081"
down_revision = "20261121_1080"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("erasures", sa.Column("kept_at", UTCDateTime(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("erasures") as table:
        table.drop_column("kept_at")
