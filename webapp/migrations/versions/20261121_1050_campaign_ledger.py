"""Deliveries and events name the campaign and the contact that they belong to; what a campaign under way keeps of itself."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, UTCDateTime

revision = "20261121_1050"
down_revision = "20261121_1040"
branch_labels = None
depends_on = None
OF_CAMPAIGN = sa.text("campaign_id IS NOT NULL")
STANDING = sa.text("has_standing")
OF_CONTACT = sa.text("contact_id IS NOT NULL AND delivery_id IS NULL")


def upgrade() -> None:
    for table in ("deliveries", "events"):
        op.add_column(table, sa.Column("campaign_id", BigInt, nullable=True))
        op.add_column(table, sa.Column("contact_id", BigInt, nullable=True))
    op.create_index(
        "ix_deliveries_campaign_id_state_id", "deliveries", ["campaign_id", "state", "id"], sqlite_where=OF_CAMPAIGN,
        postgresql_where=OF_CAMPAIGN,
    )  # fmt: skip
    op.create_index(
        "ix_deliveries_campaign_id_contact_id", "deliveries", ["campaign_id", "contact_id"], sqlite_where=OF_CAMPAIGN,
        postgresql_where=OF_CAMPAIGN,
    )  # fmt: skip
    op.create_index("ix_events_contact_id_id", "events", ["contact_id", "id"], sqlite_where=OF_CONTACT, postgresql_where=OF_CONTACT)
    op.add_column("campaigns", sa.Column("next_attempt_at", UTCDateTime(), nullable=True))
    op.add_column("campaigns", sa.Column("has_standing", sa.Boolean(), server_default=sa.false(), nullable=False))
    for name in ("watched_tried", "watched_bounced"):
        op.add_column("campaigns", sa.Column(name, BigInt, server_default="0", nullable=False))
    op.create_index("ix_campaigns_standing", "campaigns", ["id"], sqlite_where=STANDING, postgresql_where=STANDING)


def downgrade() -> None:
    op.drop_index("ix_campaigns_standing", "campaigns")
    for name in ("watched_bounced", "watched_tried", "has_standing", "next_attempt_at"):
        op.drop_column("campaigns", name)
    op.drop_index("ix_events_contact_id_id", "events")
    op.drop_index("ix_deliveries_campaign_id_contact_id", "deliveries")
    op.drop_index("ix_deliveries_campaign_id_state_id", "deliveries")
    for table in ("events", "deliveries"):
        op.drop_column(table, "contact_id")
        op.drop_column(table, "campaign_id")
