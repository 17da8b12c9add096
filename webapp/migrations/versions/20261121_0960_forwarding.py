"""What mailboxes exchange by themselves with whom: answers, forwards, and reports that go back to senders of forwarded mail."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, UTCDateTime

revision = "20261121_0960"
down_revision = "20261121_0950"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exchanges",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("mailbox_id", BigInt, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("correspondent", sa.String(), nullable=False),
        sa.Column("window_at", UTCDateTime(), nullable=False),
        sa.Column("window_count", BigInt, nullable=False),
        sa.Column("last_at", UTCDateTime(), nullable=False),
        sa.Column("stopped_at", UTCDateTime(), nullable=True),
        sa.Column("stopped_why", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_exchanges_mailbox_id_mailboxes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_exchanges_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchanges")),
        sa.UniqueConstraint("mailbox_id", "kind", "correspondent", name=op.f("uq_exchanges_mailbox_id_kind_correspondent")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_exchanges_kind_correspondent", "exchanges", ["kind", "correspondent"])
    op.create_index("ix_exchanges_last_at", "exchanges", ["last_at"])
    op.create_index("ix_exchanges_workspace_id_stopped_at", "exchanges", ["workspace_id", "stopped_at"])


def downgrade() -> None:
    op.drop_table("exchanges")
