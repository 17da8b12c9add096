"""The event stream: what happened to mail, append-only."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, Json, UTCDateTime

revision = "20261121_0920"
down_revision = "20261121_0910"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("delivery_id", BigInt, nullable=True),
        sa.Column("outgoing_id", BigInt, nullable=True),
        sa.Column("message_id", BigInt, nullable=True),
        sa.Column("mailbox_id", BigInt, nullable=True),
        sa.Column("recipient", sa.String(), nullable=True),
        sa.Column("stream", sa.String(), nullable=True),
        sa.Column("details", Json, nullable=True),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_events_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_workspace_id_id", "events", ["workspace_id", "id"])
    op.create_index("ix_events_workspace_id_type_id", "events", ["workspace_id", "type", "id"])
    for name, columns, where in (
        ("ix_events_workspace_id_recipient_id", ["workspace_id", "recipient", "id"], "recipient IS NOT NULL"),
        ("ix_events_mailbox_id_id", ["mailbox_id", "id"], "mailbox_id IS NOT NULL"),
    ):
        op.create_index(name, "events", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    op.drop_table("events")
