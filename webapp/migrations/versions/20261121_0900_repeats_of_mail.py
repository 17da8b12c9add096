"""A mail that repeats another one names it; the index that finds mails by their Message-ID."""

import sqlalchemy as sa
from alembic import op

revision = "20261121_0900"
down_revision = "20261121_0890"
branch_labels = None
depends_on = None
NAME = "ix_messages_mailbox_id_message_id_header"


def upgrade() -> None:
    op.add_column("messages", sa.Column("repeats_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=True))
    only = sa.text("direction = 'received' AND message_id_header IS NOT NULL")
    op.create_index(NAME, "messages", ["mailbox_id", "message_id_header"], sqlite_where=only, postgresql_where=only)


def downgrade() -> None:
    op.drop_index(NAME, "messages")
    op.drop_column("messages", "repeats_id")
