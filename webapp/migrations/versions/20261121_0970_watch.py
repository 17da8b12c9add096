"""Counters by name over all workspaces, for the figures of the installation; parked mail in an index of its own."""

import sqlalchemy as sa
from alembic import op

revision = "20261121_0970"
down_revision = "20261121_0960"
branch_labels = None
depends_on = None
PARKED = sa.text("state = 'parked'")


def upgrade() -> None:
    op.create_index("ix_counters_name", "counters", ["name"])
    op.create_index("ix_messages_parked", "messages", ["id"], sqlite_where=PARKED, postgresql_where=PARKED)


def downgrade() -> None:
    op.drop_index("ix_messages_parked", "messages")
    op.drop_index("ix_counters_name", "counters")
