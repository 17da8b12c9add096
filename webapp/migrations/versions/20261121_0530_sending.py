"""Tables of: sending."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, Json, UTCDateTime

revision = "20261121_0530"
down_revision = "20261121_0520"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outgoing",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("mailbox_id", BigInt, nullable=True),
        sa.Column("message_id", BigInt, nullable=True),
        sa.Column("raw_id", BigInt, nullable=False),
        sa.Column("envelope_sender", sa.String(), nullable=False),
        sa.Column("from_address", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("message_id_header", sa.String(), nullable=False),
        sa.Column("size_bytes", BigInt, nullable=False),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("source_type", sa.String(), nullable=True),
        sa.Column("source_id", BigInt, nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_outgoing_mailbox_id_mailboxes"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_outgoing_message_id_messages"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["raw_id"], ["raw_messages.id"], name=op.f("fk_outgoing_raw_id_raw_messages")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_outgoing_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outgoing")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outgoing_mailbox_id_created_at", "outgoing", ["mailbox_id", "created_at"], unique=False)
    op.create_index(op.f("ix_outgoing_message_id"), "outgoing", ["message_id"], unique=False)
    op.create_index(op.f("ix_outgoing_raw_id"), "outgoing", ["raw_id"], unique=False)
    op.create_index(op.f("ix_outgoing_workspace_id"), "outgoing", ["workspace_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("outgoing_id", BigInt, nullable=False),
        sa.Column("mailbox_id", BigInt, nullable=True),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("bounce", sa.String(), nullable=True),
        sa.Column("attempts", BigInt, nullable=False),
        sa.Column("next_attempt_at", UTCDateTime(), nullable=True),
        sa.Column("host", sa.String(), nullable=True),
        sa.Column("last_code", BigInt, nullable=True),
        sa.Column("last_reply", sa.String(), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("held_reason", sa.String(), nullable=True),
        sa.Column("held_by", sa.String(), nullable=True),
        sa.Column("boot_id", sa.String(), nullable=True),
        sa.Column("sent_again", sa.Boolean(), nullable=False),
        sa.Column("on_wire_at", UTCDateTime(), nullable=True),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_deliveries_mailbox_id_mailboxes"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["outgoing_id"], ["outgoing.id"], name=op.f("fk_deliveries_outgoing_id_outgoing"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_deliveries_workspace_id_workspaces"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("outgoing_id", "recipient", name=op.f("uq_deliveries_outgoing_id_recipient")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["stream", "next_attempt_at", "id"],
        unique=False,
        sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_held_by",
        "deliveries",
        ["held_by"],
        unique=False,
        sqlite_where=sa.text("held_by IS NOT NULL"),
        postgresql_where=sa.text("held_by IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_lease_until",
        "deliveries",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("lease_until IS NOT NULL"),
        postgresql_where=sa.text("lease_until IS NOT NULL"),
    )
    op.create_index("ix_deliveries_mailbox_id_id", "deliveries", ["mailbox_id", "id"], unique=False)
    op.create_index("ix_deliveries_workspace_id_domain_id", "deliveries", ["workspace_id", "domain", "id"], unique=False)
    op.create_index("ix_deliveries_workspace_id_id", "deliveries", ["workspace_id", "id"], unique=False)
    op.create_index(
        "ix_deliveries_workspace_id_recipient_id",
        "deliveries",
        ["workspace_id", "recipient", "id"],
        unique=False,
        postgresql_ops={"recipient": "text_pattern_ops"},
    )
    op.create_index("ix_deliveries_workspace_id_state_id", "deliveries", ["workspace_id", "state", "id"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("delivery_id", BigInt, nullable=False),
        sa.Column("number", BigInt, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("code", BigInt, nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("dialogue", Json, nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_attempts_delivery_id_deliveries"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_attempts_at"), "attempts", ["at"], unique=False)
    op.create_index("ix_attempts_delivery_id_number", "attempts", ["delivery_id", "number"], unique=False)


def downgrade() -> None:
    op.drop_table("attempts")
    op.drop_table("deliveries")
    op.drop_table("outgoing")
