"""Reports to senders, holds of domains and mailboxes, and how many recipients a mail has."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, Json, UTCDateTime

revision = "20261121_0940"
down_revision = "20261121_0930"
branch_labels = None
depends_on = None

RUNNING = sa.text("state = 'running'")
TOLD = sa.text("report_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("outgoing", sa.Column("recipient_count", BigInt, server_default="0", nullable=False))
    op.add_column("outgoing", sa.Column("reports", sa.String(), server_default="", nullable=False))
    op.add_column("outgoing", sa.Column("delay_told_at", UTCDateTime(), nullable=True))
    op.add_column("deliveries", sa.Column("report_at", UTCDateTime(), nullable=True))
    op.add_column("deliveries", sa.Column("waits_from", UTCDateTime(), nullable=True))
    op.create_index("ix_deliveries_report_at", "deliveries", ["report_at"], sqlite_where=TOLD, postgresql_where=TOLD)
    op.create_table(
        "delivery_holds",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("domain", sa.String(), nullable=True),
        sa.Column("mailbox_id", BigInt, nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("held_by", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_delivery_holds_mailbox_id_mailboxes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_delivery_holds_workspace_id_workspaces"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_holds")),
        sa.UniqueConstraint("workspace_id", "domain", name=op.f("uq_delivery_holds_workspace_id_domain")),
        sa.UniqueConstraint("workspace_id", "mailbox_id", name=op.f("uq_delivery_holds_workspace_id_mailbox_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_delivery_holds_workspace_id"), "delivery_holds", ["workspace_id"])
    _orders()


def _orders() -> None:
    op.create_table(
        "delivery_orders",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("verb", sa.String(), nullable=False),
        sa.Column("filter", Json, nullable=False),
        sa.Column("giver", Json, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("total", BigInt, nullable=False),
        sa.Column("changed", BigInt, nullable=False),
        sa.Column("position", BigInt, nullable=False),
        sa.Column("last_id", BigInt, nullable=False),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_delivery_orders_workspace_id_workspaces"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_orders")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_delivery_orders_workspace_id", "delivery_orders", ["workspace_id"])
    op.create_index("ix_delivery_orders_running", "delivery_orders", ["id"], sqlite_where=RUNNING, postgresql_where=RUNNING)


def downgrade() -> None:
    op.drop_table("delivery_orders")
    op.drop_table("delivery_holds")
    op.drop_index("ix_deliveries_report_at", table_name="deliveries")
    op.drop_column("deliveries", "waits_from")
    op.drop_column("deliveries", "report_at")
    for name in ("delay_told_at", "reports", "recipient_count"):
        op.drop_column("outgoing", name)
