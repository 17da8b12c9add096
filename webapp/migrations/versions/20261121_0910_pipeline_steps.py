"""Each step of inbound processing with its time, and the step at which a worker died."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import Json

revision = "20261121_0910"
down_revision = "20261121_0900"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("journal", Json, nullable=True))
    op.add_column("messages", sa.Column("at_step", sa.String(), nullable=True))
    only = sa.text("deleted_at IS NULL AND state = 'parked'")
    op.create_index("ix_messages_workspace_id_parked", "messages", ["workspace_id", "id"], sqlite_where=only, postgresql_where=only)
    op.add_column("domains", sa.Column("refuse_unproven", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("domains", "refuse_unproven")
    op.drop_index("ix_messages_workspace_id_parked", "messages")
    op.drop_column("messages", "at_step")
    op.drop_column("messages", "journal")
