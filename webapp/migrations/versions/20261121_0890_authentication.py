"""When a mail was let out of quarantine; its verdicts have a column already."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import UTCDateTime

revision = "20261121_0890"
down_revision = "20261121_0880"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("released_at", UTCDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("messages", "released_at")
