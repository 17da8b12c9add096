"""Changes of: search everything.

Mail whose delivery waits or bounced is found by an index of its own, whatever else lies in the archive.
"""

import sqlalchemy as sa
from alembic import op

revision = "20261121_0860"
down_revision = "20261121_0850"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_messages_delivery": "deleted_at IS NULL AND delivery_state IN ('queued', 'deferred', 'held', 'uncertain')",
    "ix_messages_bounced": "deleted_at IS NULL AND delivery_state = 'bounced'",
}


def upgrade() -> None:
    for name, only in INDEXES.items():
        op.create_index(name, "messages", ["workspace_id", "id"], sqlite_where=sa.text(only), postgresql_where=sa.text(only))


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, table_name="messages")
